use archive::{Applier, ApplyOptions, Entry, Error, Kind, Limits, Reader, Writer};
use rustix::fs::CWD;

use crate::support::{Place, tar};

fn check(lines: &[&str], want: &str) {
    let place = Place::new();
    place.apply(&tar(lines)).unwrap_or_else(|e| panic!("{lines:?}: {e}"));
    assert_eq!(place.tree(), want, "{lines:?}");
}

fn refuse(lines: &[&str], want: &str) {
    let place = Place::new();
    let e = place.apply(&tar(lines)).expect_err("is refused");
    assert_eq!(e.to_string(), want, "{lines:?}");
    place.tree();
}

#[test]
fn names_are_held_below_the_root() {
    check(&["../../canary/file=x"], "canary/\ncanary/file = x");
    check(&["a/../../../canary/x=1"], "canary/\ncanary/x = 1");
    check(&["/abs=1", "//abs2=2", "./../dot=3"], "abs = 1\nabs2 = 2\ndot = 3");
    check(&["a\\b=1"], "a\\b = 1");
    refuse(&["..=1"], "invalid entry name \"..\"");
}

#[test]
fn links_lead_inside_only() {
    check(&["l->/", "l/x=1"], "l -> /\nx = 1");
    check(&["l->../../../canary", "l/x=1"], "canary/\ncanary/x = 1\nl -> ../../../canary");
    check(&["a/", "a/l->../b", "b/", "a/l/x=1"], "a/\na/l -> ../b\nb/\nb/x = 1");
    check(&["l->/etc/passwd", "l=1"], "l = 1");
    refuse(&["a->b", "b->a", "a/x=1"], "failed to make the directories of \"a/x\": too many levels of symbolic links");
}

#[test]
fn hard_links_lead_inside_only() {
    check(&["f=1", "h=>f"], "f = 1\nh = 1");
    check(&["etc/", "etc/shadow=own", "h=>/etc/shadow"], "etc/\netc/shadow = own\nh = own");
    check(&["f=1", "f=>f"], "f = 1");
    let place = Place::new();
    let applied = place.apply(&tar(&["l->../canary", "h=>l/file"])).expect("applies");
    assert!(applied.needs_lower, "the target is not in this layer");
    assert_eq!(place.tree(), "l -> ../canary");
}

#[test]
fn whiteouts_stay_in_their_directory() {
    for name in [".wh.", ".wh..", ".wh..."] {
        refuse(&[&format!("a/{name}=")], &format!("invalid whiteout name: a/{name}"));
    }
    check(&[".wh.../../canary="], "canary = ");
}

#[test]
fn headers_have_budgets() {
    let mut deep = "d/".repeat(600);
    deep.push_str("f=1");
    let place = Place::new();
    assert!(matches!(place.apply(&tar(&[&deep])), Err(Error::Fs { source: rustix::io::Errno::NAMETOOLONG, .. })));
    let long = format!("{}=1", "n".repeat(5000));
    assert!(matches!(place.apply(&tar(&[&long])), Err(Error::Budget { .. })));

    let mut header = tar(&["x=1"]);
    // A pax header that claims 1 GiB.
    header[156] = b'x';
    header[124..136].copy_from_slice(b"10000000000\0");
    fix(&mut header);
    assert!(matches!(place.apply(&header), Err(Error::FieldTooLong)));

    let limits = Limits { entries: 2, ..Limits::default() };
    let many = tar(&["a=1", "b=1", "c=1"]);
    let root = archive::open_dir(CWD, place.root()).expect("root");
    let result = Applier::new(root, ApplyOptions::default()).apply(&mut Reader::new(many.as_slice(), limits));
    assert!(matches!(result, Err(Error::Budget { what: "entries", .. })));
}

#[test]
fn broken_streams_have_gos_words() {
    let good = tar(&["f=hello", "g=x"]);
    let place = Place::new();
    for (cut, want) in [(514, "unexpected EOF"), (100, "unexpected EOF")] {
        assert_eq!(place.apply(&good[..cut]).expect_err("cut").to_string(), want, "{cut}");
    }
    let mut bad = good.clone();
    bad[3] ^= 1;
    assert_eq!(place.apply(&bad).expect_err("bad").to_string(), "archive/tar: invalid tar header");
    assert_eq!(place.apply(&[b'x'; 2000]).expect_err("text").to_string(), "archive/tar: invalid tar header");
    let mut size = good;
    size[124..136].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00");
    fix(&mut size);
    assert_eq!(place.apply(&size).expect_err("negative").to_string(), "archive/tar: invalid tar header");
    assert!(place.apply(&[]).is_ok(), "an empty stream is an empty archive");
}

#[test]
fn overlay_marks_of_an_archive_are_dropped() {
    let mut e = Entry::new("d", Kind::Directory, 0o755);
    for name in ["trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque", "user.fine"] {
        e.xattrs.push((name.into(), b"y".to_vec()));
    }
    let mut w = Writer::new(Vec::new());
    w.entry(&e, std::io::empty()).expect("writes");
    let place = Place::new();
    place.apply(&w.finish().expect("finishes")).expect("applies");
    assert_eq!(place.tree(), "d/");
    let mut names = [0u8; 256];
    let n = rustix::fs::llistxattr(place.root().join("d"), names.as_mut_slice()).expect("list");
    assert_eq!(&names[..n], b"user.fine\0");
}

#[test]
fn a_file_never_takes_the_place_of_the_root() {
    for line in ["./=x", "/->x", "a/../->x"] {
        let place = Place::new();
        assert!(matches!(place.apply(&tar(&[line])), Err(Error::Name(_))), "{line}");
    }
}

/// Writes the checksum of the first header anew.
fn fix(tar: &mut [u8]) {
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|b| u32::from(*b)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
