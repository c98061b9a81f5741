use error::{ErrorKind, HasKind};
use registry_client::{Client, Config, Error};
use testkit::images::{Blob, Image, MultiImage};
use testkit::registry::{Fault, Options, Registry, When};

use crate::{client, config, descriptor, fetch, image, reference, repository};

#[tokio::test]
async fn an_image_is_pulled() {
    let registry = Registry::start();
    let image = image();
    registry.push("team/app", "v1", &image);
    let r = repository(&registry, "team/app:v1");
    let resolved = r.resolve().await.expect("resolve");
    assert_eq!(resolved.descriptor, descriptor(&image.manifest));
    assert_eq!(resolved.host, registry.address().to_string());
    assert_eq!(r.manifest(&resolved.descriptor).await.expect("manifest"), image.manifest.bytes);
    let layer = &image.layers[0].blob;
    assert_eq!(fetch(&r, &image.config, 0).await.expect("config"), image.config.bytes);
    assert_eq!(fetch(&r, layer, 0).await.expect("layer"), layer.bytes);
    assert_eq!(fetch(&r, layer, 1_000_000).await.expect("rest"), layer.bytes[1_000_000..]);
    assert_eq!(fetch(&r, layer, layer.bytes.len() as u64).await.expect("nothing"), b"");
    let log = registry.take_log();
    assert!(
        log.iter().all(|l| l.authorization.is_none() && l.user_agent.as_deref().is_some_and(|u| u.contains("gantry")))
    );
    assert_eq!(log.last().and_then(|l| l.range.as_deref()), Some("bytes=1000000-"));
}

#[tokio::test]
async fn registries_of_few_words_are_understood() {
    for (no_head, no_digest_header) in [(true, false), (false, true), (true, true)] {
        let registry = Registry::with(Options { no_head, no_digest_header, no_range: true, ..Options::default() });
        let image = image();
        registry.push("a", "latest", &image);
        let r = repository(&registry, "a");
        let resolved = r.resolve().await.expect("resolve");
        assert_eq!(resolved.descriptor, descriptor(&image.manifest));
        assert_eq!(resolved.bytes.as_deref(), Some(&image.manifest.bytes[..]));
        let layer = &image.layers[0].blob;
        assert_eq!(fetch(&r, layer, 77).await.expect("no range"), layer.bytes[77..]);
    }
}

#[tokio::test]
async fn digests_and_tags() {
    let registry = Registry::start();
    let multi = MultiImage::new(vec![image(), Image::builder().platform("linux/arm64/v8").build()]);
    registry.push_multi("m", "t", &multi);
    let by_digest = repository(&registry, &format!("m@{}", multi.digest()));
    assert_eq!(by_digest.resolve().await.expect("digest").descriptor, descriptor(&multi.index));
    for n in 0..250 {
        registry.push("m", &format!("t{n:03}"), &multi.images[0]);
    }
    let tags = by_digest.tags().await.expect("tags");
    assert_eq!((tags.len(), tags[0].as_str(), tags[250].as_str()), (251, "t", "t249"));
}

#[tokio::test]
async fn referrers_by_api_and_by_tag() {
    let subject = image();
    let document = serde_json::json!({"schemaVersion": 2, "artifactType": "a/b", "subject": {"digest": subject.digest()}, "layers": []});
    let artifact = Blob::new("application/vnd.oci.image.manifest.v1+json", document.to_string().into_bytes());
    let digest = subject.digest().parse().expect("digest");
    for no_referrers in [false, true] {
        let registry = Registry::with(Options { no_referrers, ..Options::default() });
        registry.push("r", "1", &subject);
        registry.put_manifest("r", None, &artifact);
        let r = repository(&registry, "r:1");
        if no_referrers {
            assert_eq!(r.referrers(&digest, None).await.expect("none").len(), 0);
            let index = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": artifact.media_type, "digest": artifact.digest, "size": artifact.bytes.len(), "artifactType": "a/b"}]});
            let index = Blob::new("application/vnd.oci.image.index.v1+json", index.to_string().into_bytes());
            registry.put_manifest("r", Some(&subject.digest().replace(':', "-")), &index);
        }
        assert_eq!(r.referrers(&digest, Some("a/b")).await.expect("one")[0].digest, artifact.digest);
        assert_eq!(r.referrers(&digest, Some("x/y")).await.expect("none").len(), 0);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registry = Registry::start();
    let r = repository(&registry, "a/b:1");
    let e = r.resolve().await.expect_err("nothing");
    let name = registry.name("a/b:1");
    assert_eq!(e.to_string(), format!("failed to resolve reference \"{name}\": {name}: not found"));
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let e = fetch(&r, &image().config, 0).await.expect_err("nothing");
    assert!(matches!(&e, Error::BlobNotFound { .. }), "{e}");
}

#[tokio::test]
async fn mirrors_serve_the_hub() {
    let mirror = Registry::start();
    let image = image();
    mirror.push("library/app", "1", &image);
    let broken = Registry::start();
    broken.fault(When::any("/"), Fault::Status(500, None, ""));
    let config = Config { mirrors: vec![broken.url(), mirror.url()], ..config() };
    let r = Client::new(config).expect("client").repository(&reference("app:1"), crate::login("u", "p"));
    let resolved = r.resolve().await.expect("resolve");
    assert_eq!(resolved.host, mirror.address().to_string());
    assert_eq!(fetch(&r, &image.layers[0].blob, 0).await.expect("layer"), image.layers[0].blob.bytes);
    let log = [mirror.take_log(), broken.take_log()].concat();
    assert!(log.iter().all(|l| l.authorization.is_none() && l.query == "ns=docker.io"), "{log:?}");
}

#[tokio::test]
async fn old_and_huge_manifests_are_refused() {
    let registry = Registry::start();
    let old = Blob::new("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}".to_vec());
    registry.put_manifest("old", Some("1"), &old);
    let e = repository(&registry, "old:1").resolve().await.expect_err("schema 1");
    assert!(e.to_string().starts_with("Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of 127.0.0.1"), "{e}");
    assert_eq!(e.kind(), ErrorKind::InvalidParameter);
    let huge = Blob::new("application/vnd.oci.image.manifest.v1+json", vec![b' '; (4 << 20) + 1]);
    registry.put_manifest("huge", Some("1"), &huge);
    let r = repository(&registry, "huge:1");
    assert!(matches!(r.resolve().await, Err(Error::ManifestTooLarge { size: 4_194_305, .. })));
    assert!(matches!(r.manifest(&descriptor(&huge)).await, Err(Error::ManifestTooLarge { .. })));
}

#[tokio::test]
async fn nobody_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port").port();
    let e =
        client().repository(&reference(&format!("127.0.0.1:{port}/a:1")), None).resolve().await.expect_err("nobody");
    assert_eq!(
        e.to_string(),
        format!(
            "failed to resolve reference \"127.0.0.1:{port}/a:1\": failed to do request: Head \"https://127.0.0.1:{port}/v2/a/manifests/1\": dial tcp 127.0.0.1:{port}: connect: connection refused"
        )
    );
}
