use std::path::PathBuf;

use image::{FaultKind, ListFilter, Repair, check};

use crate::support::{Place, config, docker_archive, sha, tar};

fn layers() -> Vec<Vec<u8>> {
    vec![
        tar(&[("bin/", b""), ("bin/sh", b"shell"), ("etc/", b""), ("etc/os", b"base")]),
        tar(&[("etc/", b""), ("etc/.wh.os", b""), ("etc/new", b"new")]),
    ]
}

fn archive() -> Vec<u8> {
    let layers = layers();
    docker_archive(&["app:1"], &layers, &config(&layers, "x"))
}

fn blob(place: &Place, digest: &str) -> PathBuf {
    place.tmp.path().join("content/blobs/sha256").join(&digest[7..])
}

/// Changes one byte of a file and nothing else of it.
fn rot(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("opens");
    let times = file.metadata().expect("stat");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).expect("reads");
    file.write_all_at(&[byte[0] ^ 1], 0).expect("writes");
    file.set_times(std::fs::FileTimes::new().set_modified(times.modified().expect("time"))).expect("times");
}

#[tokio::test]
async fn what_is_whole_has_no_faults() {
    let place = Place::new();
    place.load(&archive()).expect("loads");
    let report = check(&place.store, true).expect("checks");
    assert_eq!(report.faults, []);
    assert_eq!((report.images, report.blobs, report.layers), (1, 4, 2));
}

///
#[tokio::test]
async fn rot_of_a_file_is_found_and_mended() {
    let place = Place::new();
    place.load(&archive()).expect("loads");
    let key = sha(&layers()[0])[7..].to_owned();
    let file = place.tmp.path().join("snapshots/layers").join(&key).join("fs/bin/sh");
    rot(&file);
    let report = check(&place.store, false).expect("checks");
    assert_eq!(report.faults.len(), 1, "{report:?}");
    let fault = &report.faults[0];
    assert_eq!((fault.kind, fault.name.as_str(), fault.repair), (FaultKind::Layer, key.as_str(), None));
    assert_eq!(
        (fault.why.as_str(), fault.images.as_slice()),
        ("files differ from the layer's blob", ["app:1".to_owned()].as_slice())
    );
    let report = check(&place.store, true).expect("checks");
    assert_eq!(report.faults[0].repair, Some(Repair::Rebuilt));
    assert_eq!(std::fs::read(&file).expect("reads"), b"shell");
    assert_eq!(check(&place.store, false).expect("checks").faults, []);
    assert_eq!(std::fs::read_dir(place.tmp.path().join("snapshots/quarantine")).expect("ls").count(), 1);
}

///
#[tokio::test]
async fn rot_of_a_blob_is_quarantined_and_healed_by_what_comes_again() {
    let place = Place::new();
    place.load(&archive()).expect("loads");
    let digest = sha(&layers()[1]);
    rot(&blob(&place, &digest));
    let report = check(&place.store, true).expect("checks");
    let fault = &report.faults[0];
    assert_eq!((report.faults.len(), fault.kind, fault.repair), (1, FaultKind::Blob, Some(Repair::Quarantined)));
    assert_eq!((fault.name.as_str(), fault.images.as_slice()), (digest.as_str(), ["app:1".to_owned()].as_slice()));
    let again = check(&place.store, true).expect("checks");
    assert_eq!((again.faults.len(), again.faults[0].why.as_str()), (1, "content is missing"));
    assert!(place.store.resolve("app:1", None).is_ok(), "the image still runs from its layers");
    place.load(&archive()).expect("loads");
    assert_eq!(check(&place.store, true).expect("checks").faults, []);
}

///
#[tokio::test]
async fn images_are_found_again_when_the_records_are_lost() {
    let place = Place::new();
    let id = place.load(&archive()).expect("loads")[0].id.clone();
    let Place { tmp, store } = place;
    drop(store);
    for name in ["meta.db", "meta.db-wal", "meta.db-shm"] {
        let _ = std::fs::remove_file(tmp.path().join(name));
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7 * 24 * 3600);
    for entry in std::fs::read_dir(tmp.path().join("content/blobs/sha256")).expect("ls").flatten() {
        let file = std::fs::File::options().write(true).open(entry.path()).expect("opens");
        file.set_modified(long_ago).expect("time");
    }
    let place = Place::at(tmp);
    assert_eq!(place.store.count(), 0);
    let report = check(&place.store, true).expect("checks");
    assert_eq!(report.faults.len(), 1, "{report:?}");
    assert_eq!((report.faults[0].name.as_str(), report.faults[0].repair), (id.as_str(), Some(Repair::Rebuilt)));
    let list = place.store.list(&ListFilter::default(), true, false).expect("lists");
    assert_eq!((list.len(), &list[0].id), (1, &id));
    assert_eq!(place.store.resolve(id.as_str(), None).expect("resolves").diff_ids.len(), 2);
    assert_eq!(check(&place.store, true).expect("checks").faults, []);
}
