use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;

fn open() -> (tempfile::TempDir, Store) {
    let tmp = tempfile::tempdir().expect("tempdir");
    let store = Store::open(tmp.path()).expect("opens");
    (tmp, store)
}

fn key(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn add(store: &Store, n: u8, info: LayerInfo) {
    let staged = store.stage().expect("stages");
    std::fs::write(staged.path().join("fs/f"), [n]).expect("writes");
    store.publish(vec![(staged, key(n), info)]).expect("publishes");
}

fn wait_idle(store: &Store) {
    let end = Instant::now() + Duration::from_secs(10);
    while !store.trash().is_idle() {
        assert!(Instant::now() < end, "the trash is not emptied");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn layers_appear_whole_and_go_at_once() {
    let (tmp, store) = open();
    assert_eq!(store.layer(&key(1)).expect("looks"), None);
    let info = LayerInfo { opaque_root: true, ..LayerInfo::default() };
    add(&store, 1, info);
    // A directory and a file of one byte, each in a block of its own.
    let (bytes, inodes) = store.measure(&key(1)).expect("measures");
    assert_eq!((inodes, bytes % 512), (2, 0));
    let info = LayerInfo { bytes, inodes, ..info };
    add(&store, 1, LayerInfo::default());
    assert_eq!(store.layer(&key(1)).expect("looks"), Some(info), "the first one stays");
    assert!(store.open_layer(&key(1)).is_ok());
    assert!(matches!(store.open_layer(&key(2)), Err(Error::NoLayer(_))));
    for bad in ["..", "", "x", &key(1)[1..]] {
        assert!(matches!(store.layer(bad), Err(Error::Name(_))), "{bad:?}");
    }
    store.remove_layer(&key(1)).expect("removes");
    store.remove_layer(&key(1)).expect("nothing to remove is fine");
    assert_eq!(store.layers().expect("lists"), Vec::<String>::new());
    wait_idle(&store);
    assert_eq!(std::fs::read_dir(tmp.path().join("staging")).expect("ls").count(), 0);
}

#[test]
fn what_is_not_published_is_swept() {
    let (tmp, store) = open();
    drop(store.stage().expect("stages"));
    let left = store.stage().expect("stages");
    std::mem::forget(left);
    wait_idle(&store);
    assert_eq!(std::fs::read_dir(tmp.path().join("staging")).expect("ls").count(), 1);
    let store = Store::open(tmp.path()).expect("reopens");
    wait_idle(&store);
    assert_eq!(std::fs::read_dir(tmp.path().join("staging")).expect("ls").count(), 0);
}

#[test]
fn containers_stack_on_layers() {
    let (tmp, store) = open();
    for n in 1..=3 {
        add(&store, n, LayerInfo { opaque_root: n == 2, ..LayerInfo::default() });
    }
    let lower = [key(1), key(3), key(1)];
    let mount = store.prepare_rw("c1", &lower).expect("prepares");
    let at = |n| tmp.path().join("layers").join(key(n)).join("fs");
    assert_eq!(mount.lower, [at(1), at(3)]);
    assert_eq!(store.lower_paths(&[key(1), key(2), key(3)]).expect("paths"), [at(3), at(2)]);
    assert_eq!(store.rw_lowers().expect("lists"), [key(1), key(3)].into());
    let mode = |p: &Path| p.metadata().expect("stat").permissions().mode() & 0o777;
    assert_eq!((mode(&mount.upper), mode(mount.upper.parent().expect("dir"))), (0o755, 0o710));

    assert_eq!(store.rw_mount("c1", None).expect("mount"), mount);
    std::fs::remove_dir(&mount.work).expect("lost");
    std::fs::write(tmp.path().join("rw/c1/lower"), "").expect("lost");
    assert!(matches!(store.rw_mount("c1", None), Err(Error::NoRw(_))));
    assert_eq!(store.rw_mount("c1", Some(&lower)).expect("heals"), mount);
    assert!(mount.work.is_dir());

    let empty = store.rw_usage("c1").expect("measures");
    std::fs::write(mount.upper.join("f"), vec![1; 10_000]).expect("writes");
    std::fs::hard_link(mount.upper.join("f"), mount.upper.join("g")).expect("links");
    assert_eq!(store.rw_usage("c1").expect("measures"), empty + 12_288);

    assert!(matches!(store.prepare_rw("c2", &[key(9)]), Err(Error::NoLayer(_))));
    assert!(matches!(store.prepare_rw("../x", &lower), Err(Error::Name(_))));
    store.remove_rw("c1").expect("removes");
    store.remove_rw("c1").expect("nothing to remove is fine");
    assert_eq!(store.rw_names().expect("lists"), Vec::<String>::new());
    wait_idle(&store);
}

#[test]
fn changes_are_told_apart() {
    let (_tmp, store) = open();
    let staged = store.stage().expect("stages");
    let fs = staged.path().join("fs");
    for dir in ["etc", "usr/lib", "var"] {
        std::fs::create_dir_all(fs.join(dir)).expect("mkdir");
    }
    for file in ["etc/old", "etc/gone", "usr/lib/so"] {
        std::fs::write(fs.join(file), "x").expect("writes");
    }
    store.publish(vec![(staged, key(1), LayerInfo::default())]).expect("publishes");
    let mount = store.prepare_rw("c", &[key(1)]).expect("prepares");
    assert_eq!(store.changes("c").expect("walks"), []);
    let upper = &mount.upper;
    let copy_up = |dir: &str| {
        std::fs::create_dir_all(upper.join(dir)).expect("mkdir");
        let below = mount.lower[0].join(dir).metadata().expect("stat").modified().expect("time");
        std::fs::File::open(upper.join(dir)).expect("open").set_modified(below).expect("touch");
    };
    copy_up("usr");
    copy_up("var");
    for dir in ["etc", "usr/lib", "new/sub"] {
        std::fs::create_dir_all(upper.join(dir)).expect("mkdir");
    }
    for file in ["etc/old", "new/sub/f"] {
        std::fs::write(upper.join(file), "y").expect("writes");
    }
    copy_up("usr");
    rustix::fs::mknodat(CWD, upper.join("etc/gone"), rustix::fs::FileType::CharacterDevice, 0.into(), 0)
        .expect("mknod");
    let got: Vec<String> =
        store.changes("c").expect("walks").into_iter().map(|c| format!("{:?} {}", c.kind, c.path)).collect();
    assert_eq!(
        got,
        [
            "Modified /etc",
            "Deleted /etc/gone",
            "Modified /etc/old",
            "Added /new",
            "Added /new/sub",
            "Added /new/sub/f",
            "Modified /usr",
            "Modified /usr/lib",
        ]
    );
}
