use std::path::Path;

use id::ContainerId;
use image::{Load, NoneInUse, RemoveOptions};

use crate::support::{Place, config, docker_archive, gzip, sha, tar};

fn layers() -> Vec<Vec<u8>> {
    vec![
        tar(&[("bin/", b""), ("bin/sh", &vec![7; 200_000]), ("etc/", b""), ("etc/os", b"base")]),
        tar(&[("etc/", b""), ("etc/.wh.os", b""), ("etc/new", b"top")]),
    ]
}

fn container(n: u8) -> ContainerId {
    ContainerId::from_bytes([n; 32])
}

fn check_rootfs(place: &Place, name: &str) {
    let image = place.store.resolve(name, None).expect("resolves");
    let mount = place.store.rootfs().prepare_rw(&container(1), &image).expect("prepares");
    assert_eq!(mount.lower.len(), 2);
    let read = |p: &Path| std::fs::read(p).expect("read");
    assert_eq!(read(&mount.lower[0].join("etc/new")), b"top");
    assert_eq!(read(&mount.lower[1].join("etc/os")), b"base");
    assert_eq!(read(&mount.lower[1].join("bin/sh")).len(), 200_000);
    assert!(mount.upper.is_dir() && mount.work.is_dir());
    assert_eq!(place.store.rootfs().rw_mount(&container(1), None).expect("mount"), mount);
    place.store.rootfs().remove_rw(&container(1)).expect("removes");
}

async fn check_all_goes(place: &Place) {
    for image in place.store.list(&image::ListFilter::default(), true, false).expect("lists") {
        let force = RemoveOptions { force: true, ..RemoveOptions::default() };
        place.store.remove(image.id.as_str(), force, &NoneInUse).await.expect("removes");
    }
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_docker_archive_becomes_an_image() {
    let place = Place::new();
    let layers = layers();
    let config = config(&layers, "x");
    let archive = docker_archive(&["app:1", "x.io/app:2"], &layers, &config);
    for archive in [archive.clone(), gzip(&archive)] {
        let loaded = place.load(&archive).expect("loads");
        // What Docker 29 makes of the same archive: its id is the digest of this manifest.
        let layer = |l: &Vec<u8>| {
            let kind = "application/vnd.docker.image.rootfs.diff.tar";
            format!("{{\"mediaType\":\"{kind}\",\"digest\":\"{}\",\"size\":{}}}", sha(l), l.len())
        };
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\
             \"config\":{{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"digest\":\"{}\",\"size\":{}}},\
             \"layers\":[{},{}]}}",
            sha(&config),
            config.len(),
            layer(&layers[0]),
            layer(&layers[1])
        );
        assert_eq!(loaded.len(), 2);
        assert_eq!(loaded[0].id.as_str(), sha(manifest.as_bytes()));
        assert_eq!(loaded.iter().map(|l| l.name.as_deref()).collect::<Vec<_>>(), [Some("app:1"), Some("x.io/app:2")]);
    }
    check_rootfs(&place, "app:1");
    let place = place.reopen();
    check_rootfs(&place, "x.io/app:2");
    let view = place.store.inspect("app:1", None).expect("inspects");
    assert_eq!(view.repo_tags, ["app:1", "x.io/app:2"]);
    assert_eq!(view.repo_digests[0], format!("app@{}", view.id));
    assert_eq!(view.document.expect("document").config.as_ref().expect("config").cmd, ["sh"]);
    let history = place.store.history("app:1", None).expect("history");
    assert_eq!(history.iter().map(|h| h.created_by.as_str()).collect::<Vec<_>>(), ["step 1", "step 0"]);
    assert_eq!(history[0].tags, ["app:1", "x.io/app:2"]);
    assert!(history[1].size > 200_000 && history[0].size < 100_000);
    assert_eq!(place.store.count(), 1);
    assert!(place.store.verify().expect("verifies").is_empty());
    check_all_goes(&place).await;
}

fn oci_archive(layers: &[Vec<u8>], config: &[u8], name: &str) -> Vec<u8> {
    let blobs: Vec<Vec<u8>> = layers.iter().map(|l| gzip(l)).collect();
    let d =
        |kind: &str, b: &[u8]| format!("{{\"mediaType\":\"{kind}\",\"digest\":\"{}\",\"size\":{}}}", sha(b), b.len());
    let list: Vec<String> = blobs.iter().map(|b| d("application/vnd.oci.image.layer.v1.tar+gzip", b)).collect();
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{},\"layers\":[{}]}}",
        d("application/vnd.oci.image.config.v1+json", config),
        list.join(",")
    );
    let m = d("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    let absent = format!(
        "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{}\",\"size\":5,\
        \"platform\":{{\"os\":\"linux\",\"architecture\":\"s390x\"}}}}",
        sha(b"absent")
    );
    let inner = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{absent},{}]}}",
        m.replace("}", ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}")
    );
    let top = d("application/vnd.oci.image.index.v1+json", inner.as_bytes());
    let index = format!(
        "{{\"schemaVersion\":2,\"manifests\":[{}]}}",
        top.replace("}", &format!(",\"annotations\":{{\"io.containerd.image.name\":\"{name}\"}}}}"))
    );
    let path = |b: &[u8]| sha(b).replace("sha256:", "blobs/sha256/");
    let mut files: Vec<(String, &[u8])> = vec![
        ("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        ("index.json".to_owned(), index.as_bytes()),
        (path(inner.as_bytes()), inner.as_bytes()),
        (path(manifest.as_bytes()), manifest.as_bytes()),
        (path(config), config),
    ];
    files.extend(blobs.iter().map(|b| (path(b), b.as_slice())));
    tar(&files.iter().map(|(n, b)| (n.as_str(), *b)).collect::<Vec<_>>())
}

#[tokio::test]
async fn an_oci_layout_becomes_an_image() {
    let place = Place::new();
    let mut layers = layers();
    // Incompressible, so that the blob is a large file of the archive.
    let noise: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    layers[0] =
        tar(&[("bin/", b""), ("bin/sh", &vec![7; 200_000]), ("noise", &noise), ("etc/", b""), ("etc/os", b"base")]);
    let config = config(&layers, "y");
    let archive = oci_archive(&layers, &config, "docker.io/library/oci:1");
    let loaded = place.load(&archive).expect("loads");
    assert_eq!(loaded[0].name.as_deref(), Some("oci:1"));
    check_rootfs(&place, "oci:1");
    let view = place.store.inspect("oci:1", None).expect("inspects");
    assert_eq!(view.manifests.iter().map(|m| m.available).collect::<Vec<_>>(), [false, true]);
    // Loaded as a docker-archive, the plain layers are known by their compressed form, as in Docker.
    let again = place.load(&docker_archive(&["plain:1"], &layers, &config)).expect("loads");
    assert_ne!(again[0].id, loaded[0].id);
    check_rootfs(&place, "plain:1");
    check_all_goes(&place).await;
}

#[tokio::test]
async fn hostile_archives_leave_nothing() {
    let layers = layers();
    let good = config(&layers, "x");
    let wrong = config(&[layers[0].clone(), layers[0].clone()], "x");
    let one = config(&layers[..1], "x");
    let evil = vec![layers[0].clone(), tar(&[("a/.wh..", b"")])];
    let evil_config = config(&evil, "x");
    let oci = oci_archive(&layers, &good, "a");
    let mut flipped = oci.clone();
    let at = flipped.windows(7).position(|w| w == b"step 0\"").expect("config is there");
    flipped[at] ^= 1;
    for (archive, want) in [
        (docker_archive(&["a:1"], &layers, &wrong), "wrong diff id calculated on extraction"),
        (docker_archive(&["a:1"], &layers, &one), "mismatched image rootfs and manifest layers"),
        (docker_archive(&["a:1"], &evil, &evil_config), "invalid whiteout name: a/.wh.."),
        (docker_archive(&["A:1"], &layers, &good), "repository name (library/A) must be lowercase"),
        (docker_archive(&["a:1"], &layers, &good)[..150_000].to_vec(), "unexpected EOF"),
        (tar(&[("f", b"x")]), "unrecognized image format"),
        (tar(&[("manifest.json", b"[{\"Config\":\"../../etc/passwd\",\"Layers\":[]}]")]), "image config"),
        (tar(&[("oci-layout", b"{\"imageLayoutVersion\":\"9\"}")]), "unsupported OCI version 9"),
        (flipped, "not found"),
        (vec![b'x'; 4096], "archive/tar: invalid tar header"),
    ] {
        let place = Place::new();
        let e = place.load(&archive).expect_err(want).to_string();
        assert!(e.contains(want), "{e:?} has not {want:?}");
        assert_eq!(place.store.count(), 0, "{want}");
        let left = place.files();
        assert_eq!(left, Vec::<String>::new(), "{want}");
    }
}

#[tokio::test]
async fn loading_again_moves_the_name_and_keeps_the_old_image() {
    let place = Place::new();
    let layers = layers();
    let load = |label| place.load(&docker_archive(&["app:1"], &layers, &config(&layers, label))).expect("loads");
    let old = load("old");
    let new = load("new");
    assert_ne!(old[0].id, new[0].id);
    let list = place.store.list(&image::ListFilter::default(), false, true).expect("lists");
    assert_eq!(list.len(), 2);
    let dangling = list.iter().find(|i| i.id == old[0].id).expect("old one");
    assert!(dangling.repo_tags.is_empty() && dangling.shared_size.expect("shared") > 400_000);
    assert_eq!(load("old")[0].id, old[0].id);
    check_all_goes(&place).await;
}

#[tokio::test]
async fn an_async_stream_is_loaded_with_progress() {
    let place = Place::new();
    let layers = layers();
    let archive = docker_archive(&[], &layers, &config(&layers, "x"));
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&lines);
    let progress: image::ProgressSink = std::sync::Arc::new(move |p| sink.lock().expect("lock").push(p));
    let loaded =
        place.store.archives().load(std::io::Cursor::new(archive), Load::default(), progress).await.expect("loads");
    let want = image::Progress::Stream(format!("Loaded image ID: {}\n", loaded[0].id));
    assert_eq!(*lines.lock().expect("lock"), [want]);
    check_all_goes(&place).await;
}
