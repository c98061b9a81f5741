use std::os::unix::fs::MetadataExt;

use archive::{ApplyOptions, Entry, Kind, Segment, Time, Whiteouts, Writer};
use rustix::fs::CWD;

use crate::support::{Place, tar};

fn check(lines: &[&str], want: &str) {
    let place = Place::new();
    place.apply(&tar(lines)).unwrap_or_else(|e| panic!("{lines:?}: {e}"));
    assert_eq!(place.tree(), want, "{lines:?}");
}

#[test]
fn whiteouts_become_overlay_marks() {
    check(&["a/", "a/.wh.gone="], "a/\na/gone whiteout");
    check(&["a/", "a/.wh..wh..opq=", "a/f=1"], "a/ opaque\na/f = 1");
    check(&[".wh..wh.plnk/", ".wh..wh.aufs="], "");
    // What a layer holds itself is not hidden by its own whiteout, what is below is.
    check(&["a/", "a/f=1", ".wh.a="], "a/ opaque\na/f = 1");
    check(&["f=1", ".wh.f="], "f = 1");
    check(&[".wh.a=", "a/", "a/f=1"], "a/ opaque\na/f = 1");
    check(&[".wh.a=", "a/f=1"], "a/ opaque\na/f = 1");
    check(&[".wh.f=", "f=1"], "f = 1");
}

#[test]
fn the_last_entry_wins() {
    check(&["f=1", "f=2"], "f = 2");
    check(&["d/", "d/x=1", "d=file"], "d = file");
    check(&["d=file", "d/", "d/x=1"], "d/ opaque\nd/x = 1");
    check(&["d/", "d/x=1", "d/"], "d/\nd/x = 1");
    check(&["l->d", "l/", "l/f=1"], "l/ opaque\nl/f = 1");
}

#[test]
fn plain_extraction_keeps_names() {
    let place = Place::new();
    let options = || ApplyOptions { whiteouts: Whiteouts::Plain, keep_kinds: true, ..ApplyOptions::default() };
    place.apply_with(&tar(&["a/", "a/.wh.b=1", "run/", "var/", "var/run->/run"]), options()).expect("applies");
    place.apply_with(&tar(&["var/run/", "var/run/pid=7"]), options()).expect("follows the link");
    assert_eq!(place.tree(), "a/\na/.wh.b = 1\nrun/\nrun/pid = 7\nvar/\nvar/run -> /run");
    assert!(place.apply_with(&tar(&["a=1"]), options()).is_err());
    assert!(place.apply_with(&tar(&["run/pid/"]), options()).is_err());
}

#[test]
fn attributes_are_those_of_the_entry() {
    let mut w = Writer::new(Vec::new());
    let mut dir = Entry::new("d", Kind::Directory, 0o1777);
    dir.mtime = Time { secs: 1_000_000_000, nanos: 5 };
    w.entry(&dir, std::io::empty()).expect("writes");
    let mut f = Entry::new("d/f", Kind::Regular, 0o4755);
    (f.uid, f.gid, f.size) = (3_000_000, 12, 3);
    f.mtime = Time { secs: 1_234_567_890, nanos: 123_456_789 };
    f.xattrs.push((b"user.k".to_vec(), b"v\0v".to_vec()));
    // VFS_CAP_REVISION_2, effective, cap_net_bind_service (linux/capability.h).
    let mut cap = vec![1, 0, 0, 2];
    cap.extend_from_slice(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    f.xattrs.push((b"security.capability".to_vec(), cap.clone()));
    w.entry(&f, &b"abc"[..]).expect("writes");
    let mut link = Entry::new("d/l", Kind::Symlink, 0o777);
    (link.link, link.uid, link.mtime) = (b"x".repeat(300), 7, Time { secs: 5, nanos: 0 });
    w.entry(&link, std::io::empty()).expect("writes");
    let mut fifo = Entry::new("d/p", Kind::Fifo, 0o666);
    fifo.uid = 9;
    w.entry(&fifo, std::io::empty()).expect("writes");
    w.entry(&Entry::new("d/null", Kind::Char { major: 1, minor: 3 }, 0o666), std::io::empty()).expect("writes");
    let place = Place::new();
    let applied = place.apply(&w.finish().expect("finishes")).expect("applies");
    assert!(!applied.needs_lower);
    let stat = |p: &str| place.root().join(p).symlink_metadata().expect(p);
    assert_eq!((stat("d").mode() & 0o7777, stat("d").mtime(), stat("d").mtime_nsec()), (0o1777, 1_000_000_000, 5));
    let m = stat("d/f");
    assert_eq!((m.mode() & 0o7777, m.uid(), m.gid()), (0o4755, 3_000_000, 12));
    assert_eq!((m.mtime(), m.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!((stat("d/l").uid(), stat("d/l").mtime(), stat("d/l").len()), (7, 5, 300));
    assert_eq!((stat("d/p").uid(), stat("d/p").mode() & 0o7777), (9, 0o666));
    assert_eq!((stat("d/null").rdev(), stat("d/null").mode() & 0o7777), (rustix::fs::makedev(1, 3), 0o666));
    let mut buf = [0u8; 64];
    let n = rustix::fs::getxattr(place.root().join("d/f"), "security.capability", buf.as_mut_slice()).expect("cap");
    assert_eq!(&buf[..n], cap);
}

#[test]
fn holes_are_kept() {
    // GNU tar makes all four forms; here the map is written by hand (format 1.0).
    let map = b"2\n0\n3\n1048576\n2\n";
    let mut body = map.to_vec();
    body.resize(512, 0);
    body.extend_from_slice(b"abcde");
    let mut records = Vec::new();
    for (k, v) in [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "s"),
        ("GNU.sparse.realsize", "2000000"),
    ] {
        let body = format!(" {k}={v}\n");
        let len = body.len() + (body.len() + 2).to_string().len();
        records.extend_from_slice(format!("{len}{body}").as_bytes());
    }
    let mut w = Writer::new(Vec::new());
    let mut x = Entry::new("p", Kind::Regular, 0o644);
    x.size = records.len() as u64;
    w.entry(&x, records.as_slice()).expect("writes");
    let mut f = Entry::new("GNUSparseFile.0/s", Kind::Regular, 0o644);
    f.size = body.len() as u64;
    w.entry(&f, body.as_slice()).expect("writes");
    let mut bytes = w.finish().expect("finishes");
    bytes[156] = b'x';
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|b| u32::from(*b)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut reader = archive::Reader::new(bytes.as_slice(), archive::Limits::default());
    let entry = reader.next_entry().expect("reads").expect("one");
    assert_eq!(
        entry.sparse.expect("sparse"),
        [Segment { offset: 0, length: 3 }, Segment { offset: 1_048_576, length: 2 }]
    );
    let place = Place::new();
    place.apply(&bytes).expect("applies");
    let data = std::fs::read(place.root().join("s")).expect("read");
    assert_eq!((data.len(), &data[..3], &data[1_048_576..1_048_578]), (2_000_000, &b"abc"[..], &b"de"[..]));
}

#[test]
fn layers_that_lean_on_others_take_what_is_below() {
    let lower = Place::new();
    let mut w = Writer::new(Vec::new());
    let mut tmp = Entry::new("tmp", Kind::Directory, 0o1777);
    tmp.gid = 5;
    w.entry(&tmp, std::io::empty()).expect("writes");
    for e in [Entry::new("usr", Kind::Directory, 0o755), Entry::new("usr/lib", Kind::Directory, 0o711)] {
        w.entry(&e, std::io::empty()).expect("writes");
    }
    let mut l = Entry::new("lib", Kind::Symlink, 0o777);
    l.link = b"usr/lib".to_vec();
    w.entry(&l, std::io::empty()).expect("writes");
    let mut f = Entry::new("usr/f", Kind::Regular, 0o600);
    f.size = 5;
    w.entry(&f, &b"below"[..]).expect("writes");
    lower.apply(&w.finish().expect("finishes")).expect("applies");

    let upper = tar(&["tmp/x=1", "lib/so=2", "h=>usr/f"]);
    let place = Place::new();
    assert!(place.apply(&upper).expect("applies").needs_lower);
    let place = Place::new();
    let root = archive::open_dir(CWD, lower.root()).expect("open");
    let options = ApplyOptions { lowers: vec![root], ..ApplyOptions::default() };
    assert!(!place.apply_with(&upper, options).expect("applies").needs_lower);
    assert_eq!(place.tree(), "h = below\ntmp/\ntmp/x = 1\nusr/\nusr/f = below\nusr/lib/\nusr/lib/so = 2");
    let m = place.root().join("tmp").symlink_metadata().expect("stat");
    assert_eq!((m.mode() & 0o7777, m.gid()), (0o1777, 5));
    assert_eq!(place.root().join("usr/lib").symlink_metadata().expect("stat").mode() & 0o7777, 0o711);
}

#[test]
fn each_name_of_a_file_sets_its_attributes() {
    let mut w = Writer::new(Vec::new());
    let mut f = Entry::new("f", Kind::Regular, 0o644);
    f.xattrs.push((b"user.k".to_vec(), b"v".to_vec()));
    w.entry(&f, std::io::empty()).expect("writes");
    let mut again = Entry::new("h", Kind::HardLink, 0o4711);
    (again.link, again.uid, again.gid) = (b"f".to_vec(), 5, 6);
    again.mtime = Time { secs: 7, nanos: 8 };
    again.xattrs.push((b"user.m".to_vec(), b"w".to_vec()));
    w.entry(&again, std::io::empty()).expect("writes");
    // A name of a symbolic link is not followed.
    let mut s = Entry::new("s", Kind::Symlink, 0o777);
    s.link = b"f".to_vec();
    w.entry(&s, std::io::empty()).expect("writes");
    let mut t = Entry::new("t", Kind::HardLink, 0o600);
    (t.link, t.uid) = (b"s".to_vec(), 9);
    w.entry(&t, std::io::empty()).expect("writes");
    let place = Place::new();
    place.apply(&w.finish().expect("finishes")).expect("applies");
    let stat = |p: &str| place.root().join(p).symlink_metadata().expect(p);
    let m = stat("f");
    assert_eq!((m.mode() & 0o7777, m.uid(), m.gid(), m.nlink()), (0o4711, 5, 6, 2));
    assert_eq!((m.mtime(), m.mtime_nsec()), (7, 8));
    for name in ["user.k", "user.m"] {
        rustix::fs::getxattr(place.root().join("f"), name, [0u8; 4].as_mut_slice()).expect(name);
    }
    assert_eq!((stat("s").uid(), stat("t").ino()), (9, stat("s").ino()));
}
