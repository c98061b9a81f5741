use std::sync::{Arc, Mutex};
use std::time::Duration;

use id::ContainerId;
use image::{ListFilter, NoneInUse, Progress, ProgressSink, Pull, Pulled, RemoveOptions};
use oci::image::Platform;

use crate::registry::Registry;
use crate::support::{Place, config, gzip, sha, tar};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Bytes that do not compress.
fn noise(seed: u32, len: u32) -> Vec<u8> {
    (0..len)
        .map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 11) as u8 ^ (i.wrapping_mul(40_503) >> 7) as u8)
        .collect()
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        tar(&[("bin/", b""), ("bin/sh", &noise(1, 700_000)), ("etc/", b""), ("etc/os", b"base")]),
        tar(&[("etc/", b""), ("etc/.wh.os", b""), ("etc/new", &noise(2, 90_000))]),
    ]
}

/// Puts an image into the registry; gives the manifest's descriptor.
fn put(registry: &Registry, tag: Option<&str>, layers: &[Vec<u8>], label: &str) -> String {
    let config = registry.blob(CONFIG, &config(layers, label));
    let list: Vec<String> = layers.iter().map(|l| registry.blob(LAYER, &gzip(l))).collect();
    let body = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{config},\"layers\":[{}]}}",
        list.join(",")
    );
    registry.manifest(tag, MANIFEST, &body)
}

struct Puller {
    place: Place,
    registry: Registry,
    client: registry_client::Client,
    lines: Arc<Mutex<Vec<Progress>>>,
}

impl Puller {
    fn new() -> Self {
        let config = registry_client::Config { proxies: registry_client::Proxies::default(), ..Default::default() };
        let client = registry_client::Client::new(config).expect("client");
        Self { place: Place::new(), registry: Registry::start(), client, lines: Arc::default() }
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.addr)
    }

    async fn pull_for(&self, name: &str, platform: Option<Platform>) -> image::Result<Pulled> {
        let lines = Arc::clone(&self.lines);
        let sink: ProgressSink = Arc::new(move |p| lines.lock().expect("lock").push(p));
        let reference = self.name(name).parse().expect("reference");
        self.place.store.pull(&self.client, Pull { reference, platform, auth: None }, sink).await
    }

    async fn pull(&self, name: &str) -> image::Result<Pulled> {
        self.pull_for(name, None).await
    }

    /// What was shown, without the numbers.
    fn shown(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().expect("lock"));
        lines
            .into_iter()
            .map(|p| match p {
                Progress::Status { id, text, .. } => format!("{}: {text}", id.unwrap_or_default()),
                Progress::Layer { id, action, .. } => format!("{id}: {}", action.as_str()),
                Progress::Stream(s) => s,
            })
            .collect()
    }

    async fn check_all_goes(&self) {
        for image in self.place.store.list(&ListFilter::default(), true, false).expect("lists") {
            let force = RemoveOptions { force: true, ..RemoveOptions::default() };
            self.place.store.remove(image.id.as_str(), force, &NoneInUse).await.expect("removes");
        }
        assert_eq!(self.place.files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_image_is_pulled_shown_and_usable() {
    let p = Puller::new();
    let layers = layers();
    let manifest = put(&p.registry, Some("1"), &layers, "x");
    let pulled = p.pull("app:1").await.expect("pulls");
    assert!(pulled.newer && manifest.contains(pulled.id.as_str()));
    let ids: Vec<String> = layers.iter().map(|l| sha(&gzip(l))[7..19].to_owned()).collect();
    let shown = p.shown();
    assert_eq!(shown[0], "1: Pulling from app");
    for id in &ids {
        let own: Vec<&str> = shown.iter().filter_map(|l| l.strip_prefix(&format!("{id}: "))).collect();
        let mut steps: Vec<&str> = own.into_iter().filter(|s| *s != "Downloading").collect();
        // Once a second.
        steps.dedup();
        assert_eq!(steps, ["Pulling fs layer", "Download complete", "Extracting", "Pull complete"], "{id}");
    }
    let name = p.name("app:1");
    assert_eq!(
        shown[shown.len() - 2..],
        [format!(": Digest: {}", pulled.id), format!(": Status: Downloaded newer image for {name}"),]
    );
    let image = p.place.store.resolve(&name, None).expect("resolves");
    let mount = p.place.store.rootfs().prepare_rw(&ContainerId::from_bytes([1; 32]), &image).expect("prepares");
    assert_eq!(std::fs::read(mount.lower[1].join("bin/sh")).expect("read"), noise(1, 700_000));
    assert_eq!(std::fs::read(mount.lower[0].join("etc/new")).expect("read"), noise(2, 90_000));
    p.place.store.rootfs().remove_rw(&ContainerId::from_bytes([1; 32])).expect("removes");

    let before = p.registry.requests("/blobs/");
    let again = p.pull("app:1").await.expect("pulls");
    assert!(!again.newer);
    assert_eq!(
        p.shown(),
        [
            "1: Pulling from app".to_owned(),
            format!(": Digest: {}", pulled.id),
            format!(": Status: Image is up to date for {name}"),
        ]
    );
    assert_eq!(p.registry.requests("/blobs/"), before, "nothing is fetched twice");
    assert!(p.place.store.verify().expect("verifies").is_empty());

    // A new image under the same tag that shares the lower layer; the old one stays without a name.
    let mut changed = layers.clone();
    changed[1] = tar(&[("etc/", b""), ("etc/new", b"changed")]);
    put(&p.registry, Some("1"), &changed, "x");
    assert!(p.pull("app:1").await.expect("pulls").newer);
    assert!(p.shown().contains(&format!("{}: Already exists", ids[0])));
    assert_eq!(p.place.store.list(&ListFilter::default(), false, false).expect("lists").len(), 2);
    p.check_all_goes().await;
}

#[tokio::test]
async fn an_index_gives_the_image_for_the_platform() {
    let p = Puller::new();
    let layers = layers();
    let amd = put(&p.registry, None, &layers, "amd64");
    let arm = put(&p.registry, None, &layers[..1], "arm64");
    let on = |d: &str, arch: &str| {
        format!("{},\"platform\":{{\"os\":\"linux\",\"architecture\":\"{arch}\"}}}}", &d[..d.len() - 1])
    };
    let digest = |d: &str| d[d.find("sha256:").expect("digest")..][..71].to_owned();
    let statement = p.registry.blob("application/vnd.in-toto+json", b"{\"attests\":true}");
    let statement = format!(
        "{},\"annotations\":{{\"in-toto.io/predicate-type\":\"https://slsa.dev/provenance/v1\"}}}}",
        &statement[..statement.len() - 1]
    );
    let att_config = p.registry.blob(
        CONFIG,
        b"{\"architecture\":\"unknown\",\"os\":\"unknown\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
    );
    let att = p.registry.manifest(
        None,
        MANIFEST,
        &format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{att_config},\"layers\":[{statement}]}}"
        ),
    );
    let att = format!(
        "{},\"annotations\":{{\"vnd.docker.reference.type\":\"attestation-manifest\",\"vnd.docker.reference.digest\":\"{}\"}}}}",
        &on(&att, "unknown")[..on(&att, "unknown").len() - 1],
        digest(&amd)
    );
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{},{},{att}]}}",
        on(&arm, "arm64"),
        on(&amd, "amd64")
    );
    let top = p.registry.manifest(Some("latest"), INDEX, &index);

    let s390x = Platform { os: "linux".into(), architecture: "s390x".into(), ..Platform::default() };
    let e = p.pull_for("multi", Some(s390x)).await.expect_err("has no such platform").to_string();
    assert_eq!(
        e,
        "no matching manifest for linux/s390x in the manifest list entries: no match for platform in manifest: not found"
    );
    let amd64 = Platform { os: "linux".into(), architecture: "amd64".into(), ..Platform::default() };
    let pulled = p.pull_for("multi", Some(amd64)).await.expect("pulls");
    assert_eq!(pulled.id.to_string(), digest(&top), "the image is the index");
    let view = p.place.store.inspect(&p.name("multi"), None).expect("inspects");
    let available: Vec<bool> = view.manifests.iter().map(|m| m.available).collect();
    assert_eq!(available, [false, true, true]);
    assert!(
        matches!(&view.manifests[2].kind, image::ManifestKind::Attestation { subject } if subject.to_string() == digest(&amd))
    );
    assert_eq!(view.sources, [p.name("multi")]);
    attestations_are_told(&p);
    let name = p.name("multi").parse().expect("reference");
    let there = image::distribution(&p.client, &name, None).await.expect("asks");
    let platforms: Vec<String> = there.platforms.iter().map(|p| p.architecture.clone()).collect();
    assert_eq!(
        (there.descriptor.digest.as_str(), platforms),
        (digest(&top).as_str(), vec!["arm64".to_owned(), "amd64".to_owned(), "unknown".to_owned()])
    );
    assert_eq!(p.registry.requests(&digest(&arm)), 0, "other platforms are not fetched");
    assert_eq!(view.document.expect("document").config.as_ref().expect("config").labels["l"], "amd64");
    // The other platform joins the same image.
    let arm64 = Platform { os: "linux".into(), architecture: "arm64".into(), ..Platform::default() };
    // (Its document says amd64, as the helper writes it: the index's word counts.)
    p.pull_for("multi", Some(arm64.clone())).await.expect("pulls");
    let image = p.place.store.resolve(&p.name("multi"), Some(&arm64)).expect("resolves");
    assert_eq!((image.manifest.digest.clone(), image.diff_ids.len()), (digest(&arm), 1));
    p.check_all_goes().await;
}

fn attestations_are_told(p: &Puller) {
    let ask = |types: &[&str], statement| {
        let types = types.iter().map(|t| (*t).to_owned()).collect();
        let query = image::AttestationQuery { types, statement, ..image::AttestationQuery::default() };
        p.place.store.attestations(&p.name("multi"), &query).expect("tells")
    };
    let all = ask(&[], false);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].predicate_type, "https://slsa.dev/provenance/v1");
    assert!(all[0].statement.is_none());
    assert_eq!(ask(&["https://spdx.dev/Document"], false).len(), 0);
    let told = ask(&["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"], true);
    assert_eq!(told[0].statement.as_ref().expect("statement").get(), "{\"attests\":true}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_pull_is_resumed_where_it_stopped() {
    let mut p = Puller::new();
    let layers = layers();
    put(&p.registry, Some("1"), &layers, "x");
    let size = layers.iter().map(|l| gzip(l).len() as u64).sum::<u64>();
    p.registry.set_pause(Duration::from_millis(8));
    tokio::time::timeout(Duration::from_millis(200), p.pull("app:1")).await.expect_err("is cancelled");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(p.place.store.count(), 0);
    let partial = p.place.store.disk_usage().expect("usage").partial;
    assert!(partial > 0 && partial < size, "{partial} of {size}");
    // As a new process would.
    p.place = p.place.reopen();
    p.registry.set_pause(Duration::ZERO);
    let before = p.registry.sent();
    p.pull("app:1").await.expect("pulls");
    assert!(p.registry.sent() - before < size - partial / 2, "only what is missing is fetched");
    assert!(p.place.store.verify().expect("verifies").is_empty());
    assert_eq!(p.place.store.disk_usage().expect("usage").partial, 0);
    p.check_all_goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_at_once_fetch_each_blob_once() {
    let p = Puller::new();
    let layers = layers();
    put(&p.registry, Some("1"), &layers, "x");
    let other = [layers[0].clone(), tar(&[("other", b"o")])];
    put(&p.registry, Some("2"), &other, "y");
    p.registry.set_pause(Duration::from_millis(2));
    let (a, b, c) = tokio::join!(p.pull("app:1"), p.pull("app:2"), p.pull("app:1"));
    a.and(b).and(c).expect("all pull");
    for l in layers.iter().chain(&other[1..]) {
        assert_eq!(p.registry.requests(&format!("GET /v2/app/blobs/{}", sha(&gzip(l)))), 1);
    }
    assert_eq!(p.place.store.count(), 2);
    assert!(p.place.store.verify().expect("verifies").is_empty());
    p.check_all_goes().await;
}

/// Nothing is left of a pull that has failed.
async fn eventually_gone(p: &Puller) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let partial = p.place.store.disk_usage().expect("usage").partial;
        if partial == 0 {
            p.place.store.prune(&ListFilter::default(), &NoneInUse).await.expect("prunes");
            if p.place.files().is_empty() {
                return;
            }
        }
        assert!(std::time::Instant::now() < deadline, "{partial} bytes, {:?}", p.place.files());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn wrong_content_is_refused_and_gone() {
    let layers = layers();
    let blob = gzip(&layers[0]);
    let digest = sha(&blob);
    let (mut flipped, mut same_length) = (blob.clone(), gzip(&tar(&[("evil", &noise(9, 690_000))])));
    flipped[300_000] ^= 1;
    same_length.resize(blob.len(), 0);
    for bytes in [flipped, same_length] {
        let p = Puller::new();
        put(&p.registry, Some("1"), &layers, "x");
        p.registry.corrupt(&digest, bytes);
        let e = p.pull("app:1").await.expect_err("is refused").to_string();
        assert!(e.contains(&format!("expected {digest}")), "{e}");
        assert_eq!(p.place.store.count(), 0);
        // The other layer's worker notices in a moment that its pull is over.
        eventually_gone(&p).await;
    }
    let p = Puller::new();
    let wrong = [layers[0].clone(), tar(&[("x", b"y")])];
    let config = p.registry.blob(CONFIG, &config(&wrong, "x"));
    let list: Vec<String> = layers.iter().map(|l| p.registry.blob(LAYER, &gzip(l))).collect();
    p.registry.manifest(
        Some("1"),
        MANIFEST,
        &format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{}]}}", list.join(",")),
    );
    let e = p.pull("app:1").await.expect_err("is refused").to_string();
    assert!(e.contains("wrong diff id calculated on extraction"), "{e}");
    let both = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{}],\"manifests\":[]}}", list.join(","));
    p.registry.manifest(Some("2"), MANIFEST, &both);
    let e = p.pull("app:2").await.expect_err("is refused").to_string();
    assert!(e.contains("expected manifest but found index"), "{e}");
    let evil = [layers[0].clone(), tar(&[("a/.wh..", b"")])];
    put(&p.registry, Some("3"), &evil, "x");
    let e = p.pull("app:3").await.expect_err("is refused").to_string();
    assert!(e.contains("invalid whiteout name: a/.wh.."), "{e}");
    assert_eq!(p.place.store.count(), 0);
}

#[tokio::test]
async fn layers_that_lean_on_others_are_unpacked_over_them() {
    let p = Puller::new();
    let base = tar(&[("usr/", b""), ("usr/lib/", b""), ("tmp/", b"")]);
    let lean = tar(&[("usr/lib/so", b"1"), ("tmp/t", b"2")]);
    let same = [base.clone(), lean.clone()];
    put(&p.registry, Some("1"), &same, "x");
    put(&p.registry, Some("2"), &[tar(&[("opt/", b"")]), lean.clone()], "y");
    for tag in ["app:1", "app:2"] {
        p.pull(tag).await.expect("pulls");
        let image = p.place.store.resolve(&p.name(tag), None).expect("resolves");
        let mount = p.place.store.rootfs().prepare_rw(&ContainerId::from_bytes([2; 32]), &image).expect("prepares");
        assert_eq!(std::fs::read(mount.lower[0].join("usr/lib/so")).expect("read"), b"1");
        // It is unpacked for this chain, not under its own name.
        assert!(!mount.lower[0].to_string_lossy().contains(&sha(&lean)[7..]));
        p.place.store.rootfs().remove_rw(&ContainerId::from_bytes([2; 32])).expect("removes");
    }
    p.check_all_goes().await;
}

#[tokio::test]
async fn what_is_pushed_is_pulled_again() {
    let p = Puller::new();
    let layers = layers();
    put(&p.registry, Some("1"), &layers, "x");
    let id = p.pull("app:1").await.expect("pulls").id;
    let other = Puller::new();
    let name: id::Reference = other.name("new/app:2").parse().expect("reference");
    p.place.store.tag(id.as_str(), &name).expect("tags");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let sink: ProgressSink = Arc::new(move |p| seen.lock().expect("lock").push(p));
    let push = |reference: id::Reference| image::Push { reference, platform: None, auth: None };
    let pushed = p.place.store.push(&p.client, push(name.clone()), Arc::clone(&sink)).await.expect("pushes");
    assert_eq!((pushed.len(), pushed[0].descriptor.digest.as_str()), (1, id.as_str()));
    let lines = std::mem::take(&mut *lines.lock().expect("lock"));
    assert_eq!(lines[0], Progress::message(format!("The push refers to repository [{}]", name.name())));
    let size = pushed[0].descriptor.size;
    assert_eq!(lines.last(), Some(&Progress::message(format!("2: digest: {id} size: {size}"))));
    let count =
        |text: &str| lines.iter().filter(|l| matches!(l, Progress::Status { text: t, .. } if t == text)).count();
    assert_eq!((count("Waiting"), count("Pushed")), (2, 2));
    assert_eq!(other.pull("new/app:2").await.expect("pulls").id, id);
    assert!(other.place.store.verify().expect("verifies").is_empty());
    let e = p.place.store.push(&p.client, push("nope:1".parse().expect("reference")), sink).await;
    assert_eq!(e.expect_err("is not here").to_string(), "tag does not exist: nope:1");
}
