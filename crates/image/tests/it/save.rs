use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use image::{Import, NoneInUse, RemoveOptions, Save};
use oci::image::Platform;

use crate::support::{Place, config, docker_archive, gzip, tar};

/// Takes what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl tokio::io::AsyncWrite for Sink {
    fn poll_write(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.lock().expect("lock").extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn save(place: &Place, names: &[&str]) -> Result<Vec<u8>, String> {
    let sink = Sink::default();
    let save = Save { names: names.iter().map(|n| (*n).to_owned()).collect(), platforms: Vec::new() };
    place.store.archives().save(save, sink.clone()).await.map_err(|e| e.to_string())?;
    Ok(std::mem::take(&mut sink.0.lock().expect("lock")))
}

#[tokio::test]
async fn what_is_saved_is_loaded_again() {
    let place = Place::new();
    let layers = [tar(&[("big", &vec![3; 300_000])]), tar(&[("g", b"y")])];
    let loaded = place.load(&docker_archive(&["a:1", "a:2", "b:1"], &layers, &config(&layers, "v"))).expect("loads");
    let id = loaded[0].id.clone();
    assert_eq!(save(&place, &["nope"]).await, Err("No such image: nope:latest".to_owned()));
    for (names, want) in [
        (&["a"][..], &["a:1", "a:2"][..]),
        (&["a:1", "b:1"], &["a:1", "b:1"]),
        (&[id.as_str()], &[]),
        (&[&id.hex()[..12]], &[]),
    ] {
        let archive = save(&place, names).await.expect("saves");
        let other = Place::new();
        let loaded = other.load(&archive).expect("loads");
        assert!(loaded.iter().all(|l| l.id == id));
        assert_eq!(other.store.inspect(id.as_str(), None).expect("inspects").repo_tags, want, "{names:?}");
        assert!(other.store.verify().expect("verifies").is_empty());
        // A Docker without OCI layouts finds its own format in the same archive.
        let mut reader = archive::Reader::new(archive.as_slice(), archive::Limits::default());
        let mut manifest = String::new();
        while let Some(entry) = reader.next_entry().expect("reads") {
            if entry.path == b"manifest.json" {
                std::io::Read::read_to_string(&mut reader.data(), &mut manifest).expect("reads");
            }
        }
        assert!(manifest.starts_with("[{\"Config\":\"blobs/sha256/") && manifest.matches("blobs/").count() == 3);
    }
    let save = Save {
        names: vec!["a:1".to_owned()],
        platforms: vec![Platform { os: "linux".into(), architecture: "s390x".into(), ..Platform::default() }],
    };
    let e = place.store.archives().save(save, Sink::default()).await.expect_err("has no such platform").to_string();
    assert_eq!(e, "image with reference a:1 was found but does not provide the specified platform (linux/s390x)");
}

#[tokio::test]
async fn a_root_file_system_becomes_an_image() {
    let place = Place::new();
    let rootfs = tar(&[("bin/", b""), ("bin/sh", &vec![1; 100_000])]);
    let mut ids = Vec::new();
    for (n, input) in [rootfs.clone(), gzip(&rootfs)].into_iter().enumerate() {
        let import = Import {
            reference: Some(format!("imp:{n}").parse().expect("reference")),
            message: "from a test".to_owned(),
            changes: vec!["CMD [\"sh\"]".to_owned(), "ENV A=b".to_owned()],
            ..Import::default()
        };
        let id = place.store.archives().import(std::io::Cursor::new(input), import).await.expect("imports");
        let view = place.store.inspect(&format!("imp:{n}"), None).expect("inspects");
        assert_eq!(view.id, id);
        let doc = view.document.expect("document");
        let config = doc.config.as_ref().expect("config");
        assert_eq!((config.cmd.as_slice(), config.env.as_slice()), (&["sh".to_owned()][..], &["A=b".to_owned()][..]));
        assert_eq!(place.store.history(id.as_str(), None).expect("history")[0].comment, "from a test");
        ids.push(id);
    }
    let bad = Import { changes: vec!["RUN x".to_owned()], ..Import::default() };
    let e = place.store.archives().import(std::io::Cursor::new(rootfs.clone()), bad).await.expect_err("is refused");
    assert_eq!(e.to_string(), "RUN is not a valid change command");
    let e = place.store.archives().import(std::io::Cursor::new(b"no tar".repeat(200)), Import::default()).await;
    assert_eq!(e.expect_err("is refused").to_string(), "archive/tar: invalid tar header");
    for id in ids {
        place.store.remove(id.as_str(), RemoveOptions::default(), &NoneInUse).await.expect("removes");
    }
    assert_eq!(place.files(), Vec::<String>::new());
}
