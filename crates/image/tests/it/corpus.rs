//! Odd and hostile images: what tree they become, or what is said of them. The names in front are rows of the
//! acceptance lists (S-24 … S-31).

use std::path::Path;
use std::process::Command;

use archive::{Entry, Kind, Time, Writer};
use id::ContainerId;
use image::{ListFilter, check};

use crate::support::{Place, config, docker_archive, gzip, sha, tar as plain};

/// A layer from lines: `d/`, `f=text`, `l->target`, `h=>target`, `c!1,3` (device), `p|` (fifo); ` @MODE UID GID` at
/// the end of a line sets what differs from 0755/0644 0 0.
fn layer(lines: &[&str]) -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    for line in lines {
        let (line, attributes) = line.split_once(" @").unwrap_or((line, ""));
        let (mut entry, data) = entry(line);
        let mut parts = attributes.split(' ').filter(|p| !p.is_empty());
        if let Some(mode) = parts.next() {
            entry.mode = u32::from_str_radix(mode, 8).expect("mode");
        }
        let mut id = || parts.next().map_or(0, |n| n.parse().expect("id"));
        (entry.uid, entry.gid) = (id(), id());
        entry.mtime = Time { secs: 1_000_000_000, nanos: 0 };
        w.entry(&entry, data.as_bytes()).expect("writes");
    }
    w.finish().expect("finishes")
}

fn entry(line: &str) -> (Entry, &str) {
    let linked = |name: &str, kind, target: &str| {
        let mut e = Entry::new(name, kind, 0o777);
        e.link = target.into();
        (e, "")
    };
    if let Some((name, target)) = line.split_once("->") {
        return linked(name, Kind::Symlink, target);
    }
    if let Some((name, target)) = line.split_once("=>") {
        return linked(name, Kind::HardLink, target);
    }
    if let Some((name, data)) = line.split_once('=') {
        let mut e = Entry::new(name, Kind::Regular, 0o644);
        e.size = data.len() as u64;
        return (e, data);
    }
    if let Some((name, numbers)) = line.split_once('!') {
        let (major, minor) = numbers.split_once(',').expect("numbers");
        let kind = Kind::Char { major: major.parse().expect("major"), minor: minor.parse().expect("minor") };
        return (Entry::new(name, kind, 0o666), "");
    }
    match line.strip_suffix('|') {
        Some(name) => (Entry::new(name, Kind::Fifo, 0o600), ""),
        None => (Entry::new(line, Kind::Directory, 0o755), ""),
    }
}

/// What a container of the image sees: a line per object in the notation of [`layer`].
fn tree(place: &Place, name: &str, format: &str) -> Vec<String> {
    let image = place.store.resolve(name, None).expect("resolves");
    let container = ContainerId::from_bytes([9; 32]);
    let mount = place.store.rootfs().prepare_rw(&container, &image).expect("prepares");
    let lower: Vec<String> = mount.lower.iter().map(|p| p.display().to_string()).collect();
    let at = place.tmp.path().join("merged");
    std::fs::create_dir_all(&at).expect("dir");
    let script = format!(
        "mount -t overlay overlay -o lowerdir={},upperdir={},workdir={} {at} && cd {at} && find . -mindepth 1 {format}",
        lower.join(":"),
        mount.upper.display(),
        mount.work.display(),
        at = at.display()
    );
    let out = Command::new("unshare").args(["-m", "sh", "-ec", &script]).output().expect("unshare");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    place.store.rootfs().remove_rw(&container).expect("removes");
    let mut lines: Vec<String> = String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

const NAMES: &str = r"-type f -printf '%P=' -exec head -c 60 {} ';' -printf '\n' -o -type d -printf '%P/\n' -o -type l -printf '%P->%l\n' -o -type p -printf '%P|\n' -o -printf '%P!\n'";
const ATTRIBUTES: &str = r"-printf '%P %y %m %U %G %T@\n'";

fn load(place: &Place, layers: &[Vec<u8>]) -> image::Result<()> {
    let archive = docker_archive(&["odd:1"], layers, &config(layers, "x"));
    if let Some(dir) = std::env::var_os("GANTRY_CORPUS_OUT") {
        // For a look at what other engines make of them.
        std::fs::write(Path::new(&dir).join(format!("{}.tar", &sha(&archive)[7..19])), &archive).expect("writes");
    }
    place.load(&archive).map(drop)
}

/// The tree of an image; the store is sound afterwards and nothing was touched beside it.
fn becomes(row: &str, layers: &[&[&str]], want: &[&str]) {
    let place = Place::new();
    let canary = place.tmp.path().join("canary");
    std::fs::write(&canary, "alive").expect("canary");
    let layers: Vec<Vec<u8>> = layers.iter().map(|l| layer(l)).collect();
    load(&place, &layers).unwrap_or_else(|e| panic!("{row}: {e}"));
    assert_eq!(tree(&place, "odd:1", NAMES), want, "{row}");
    assert_eq!(std::fs::read_to_string(&canary).expect("canary"), "alive", "{row}");
    assert_eq!(check(&place.store, false).expect("checks").faults, [], "{row}");
}

/// The image is refused, and nothing is left of it.
fn refused(row: &str, layers: &[Vec<u8>], want: &str) {
    let place = Place::new();
    let e = load(&place, layers).expect_err(row).to_string();
    assert!(e.contains(want), "{row}: {e:?} has not {want:?}");
    assert!(place.store.list(&ListFilter::default(), true, false).expect("lists").is_empty(), "{row}");
    assert_eq!(place.files(), Vec::<String>::new(), "{row}");
}

#[test]
fn names_stay_below_the_root() {
    becomes("S-24 dots", &[&["../../canary=x"]], &["canary=x"]);
    becomes("S-24 dots inside", &[&["a/../../canary=x"]], &["canary=x"]);
    becomes("S-25 absolute", &[&["/a=1", "//b=2", "./../c=3"]], &["a=1", "b=2", "c=3"]);
    becomes("S-25 backslash", &[&["a\\b=1"]], &["a\\b=1"]);
    becomes("S-25 spaces and letters", &[&["a b=1", "ü/", "ü/é=2"]], &["a b=1", "ü/", "ü/é=2"]);
    let long = "n".repeat(255);
    becomes("S-25 longest name", &[&[&format!("{long}=1")]], &[&format!("{long}=1")]);
}

#[test]
fn links_lead_inside() {
    becomes("S-26 root link", &[&["l->/", "l/canary=1"]], &["canary=1", "l->/"]);
    becomes(
        "S-26 link of a lower layer",
        &[&["etc/", "l->/etc"], &["l/canary=1"]],
        &["etc/", "etc/canary=1", "l->/etc"],
    );
    becomes("S-26 dots in a link", &[&["l->../../..", "l/x=1"]], &["l->../../..", "x=1"]);
    becomes(
        "S-27 absolute target",
        &[&["etc/", "etc/shadow=own", "h=>/etc/shadow"]],
        &["etc/", "etc/shadow=own", "h=own"],
    );
    becomes("S-27 other layer", &[&["f=1"], &["h=>f"]], &["f=1", "h=1"]);
    becomes("S-27 over a link", &[&["d/", "d/f=1", "l->d", "h=>l/f"]], &["d/", "d/f=1", "h=1", "l->d"]);
    becomes("S-27 of a link", &[&["f=1", "l->f", "h=>l"]], &["f=1", "h->f", "l->f"]);
    becomes("S-27 to itself", &[&["f=1", "f=>f"]], &["f=1"]);
    refused("S-26 loop", &[layer(&["a->b", "b->a", "a/x=1"])], "too many levels of symbolic links");
    refused("S-27 nothing there", &[layer(&["f=1"]), layer(&["h=>nope"])], "does not exist");
    refused("S-27 out of the root", &[layer(&["h=>../../../etc/shadow"])], "does not exist");
}

#[test]
fn whiteouts_hide_what_is_below() {
    let below: &[&str] = &["a=1", "d/", "d/x=1", "d/y=2"];
    becomes("S-28 file", &[below, &["d/", "d/.wh.x="]], &["a=1", "d/", "d/y=2"]);
    becomes("S-28 directory", &[below, &[".wh.d="]], &["a=1"]);
    becomes("S-28 nothing there", &[below, &[".wh.nope="]], &["a=1", "d/", "d/x=1", "d/y=2"]);
    becomes("S-28 opaque root", &[below, &[".wh..wh..opq=", "b=3"]], &["b=3"]);
    becomes("S-28 opaque last", &[below, &["d/", "d/z=3", "d/.wh..wh..opq="]], &["a=1", "d/", "d/z=3"]);
    becomes("S-28 opaque first", &[below, &["d/", "d/.wh..wh..opq=", "d/z=3"]], &["a=1", "d/", "d/z=3"]);
    becomes("S-28 replaced", &[below, &[".wh.d=", "d/", "d/z=3"]], &["a=1", "d/", "d/z=3"]);
    becomes("S-28 comes back", &[below, &[".wh.a="], &["a=2"]], &["a=2", "d/", "d/x=1", "d/y=2"]);
    becomes("S-28 without its parent", &[below, &["d/.wh.x="]], &["a=1", "d/", "d/y=2"]);
    // In a directory that only one layer has, overlayfs shows its own marks, whoever unpacked them.
    becomes("S-28 below nothing", &[&["a=1"], &["n/.wh.x="]], &["a=1", "n/", "n/x!"]);
    for name in [".wh.", ".wh..", ".wh..."] {
        refused("S-28", &[layer(&[&format!("a/{name}=")])], &format!("invalid whiteout name: a/{name}"));
    }
}

#[test]
fn kinds_replace_each_other() {
    becomes("file for directory", &[&["d/", "d/x=1"], &["d=2"]], &["d=2"]);
    becomes("directory for file", &[&["d=1"], &["d/", "d/x=2"]], &["d/", "d/x=2"]);
    becomes("link for directory", &[&["d/", "d/x=1", "e/"], &["d->e"]], &["d->e", "e/"]);
    becomes("directory for link", &[&["e/", "e/y=1", "d->e"], &["d/", "d/x=2"]], &["d/", "d/x=2", "e/", "e/y=1"]);
    becomes("directory for link in one layer", &[&["d->e", "d/", "d/x=1"]], &["d/", "d/x=1"]);
    becomes("last one counts", &[&["f=1", "f=2", "d/", "d=3"]], &["d=3", "f=2"]);
    becomes("no parents", &[&["a/b/c=1"]], &["a/", "a/b/", "a/b/c=1"]);
    becomes("nothing at all", &[&["a=1"], &[], &["b=1"]], &["a=1", "b=1"]);
    becomes("the same layer twice", &[&["a=1"], &["b=1"], &["a=1"]], &["a=1", "b=1"]);
    let many: Vec<Vec<String>> = (0..20).map(|n| vec![format!("f{n:02}=1")]).collect();
    let many: Vec<Vec<&str>> = many.iter().map(|l| l.iter().map(String::as_str).collect()).collect();
    let many: Vec<&[&str]> = many.iter().map(Vec::as_slice).collect();
    let want: Vec<String> = (0..20).map(|n| format!("f{n:02}=1")).collect();
    becomes("many layers", &many, &want.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn attributes_are_kept() {
    let place = Place::new();
    let one = layer(&[
        "d/ @2755 7 8",
        "d/s=x @4755 1000 1000",
        "d/n!1,3 @666",
        "d/p| @600 5 6",
        "l->d @777 3 4",
        "big=x @644 3000000 4000000",
        "t/ @1777",
    ]);
    // A lower layer's directory changes owner and mode by an entry of its own.
    let two = layer(&["t/ @700 9 9", "d/ @2755 7 8", "d/s=y @6711"]);
    load(&place, &[one, two]).expect("loads");
    let want: Vec<String> = [
        "big f 644 3000000 4000000",
        "d d 2755 7 8",
        "d/n c 666 0 0",
        "d/p p 600 5 6",
        "d/s f 6711 0 0",
        "l l 777 3 4",
        "t d 700 9 9",
    ]
    .iter()
    .map(|l| format!("{l} 1000000000.0000000000"))
    .collect();
    assert_eq!(tree(&place, "odd:1", ATTRIBUTES), want, "S-29");
    assert_eq!(check(&place.store, false).expect("checks").faults, []);
}

#[test]
fn marks_of_overlayfs_are_no_marks() {
    let mut w = Writer::new(Vec::new());
    let mut e = Entry::new("d", Kind::Directory, 0o755);
    for name in
        ["trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.origin"]
    {
        e.xattrs.push((name.into(), b"y".to_vec()));
    }
    e.xattrs.push(("user.kept".into(), b"v".to_vec()));
    w.entry(&e, std::io::empty()).expect("writes");
    let place = Place::new();
    load(&place, &[layer(&["d/", "d/x=1"]), w.finish().expect("finishes")]).expect("loads");
    assert_eq!(tree(&place, "odd:1", NAMES), ["d/", "d/x=1"], "S-29: nothing is hidden");
    let image = place.store.resolve("odd:1", None).expect("resolves");
    let top = place.tmp.path().join("snapshots/layers").join(image.diff_ids[1].hex()).join("fs/d");
    let mut names = [0u8; 256];
    let n = rustix::fs::llistxattr(&top, names.as_mut_slice()).expect("lists");
    assert_eq!(&names[..n], b"user.kept\0");
}

#[test]
fn packings_are_seen_through() {
    let one = layer(&["a=1", "d/", "d/x=2"]);
    let (head, tail) = one.split_at(700);
    let members = [gzip(head), gzip(tail)].concat();
    let frames = [
        zstd::encode_all(head, 1).expect("packs"),
        // A skippable frame.
        vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3],
        zstd::encode_all(tail, 1).expect("packs"),
    ]
    .concat();
    for (row, packed) in [
        ("gzip", gzip(&one)),
        ("gzip of several members", members),
        ("zstd", zstd::encode_all(one.as_slice(), 3).expect("packs")),
        ("zstd of several frames", frames),
    ] {
        let place = Place::new();
        let document = config(std::slice::from_ref(&one), "x");
        place
            .load(&docker_archive(&["odd:1"], std::slice::from_ref(&packed), &document))
            .unwrap_or_else(|e| panic!("{row}: {e}"));
        assert_eq!(tree(&place, "odd:1", NAMES), ["a=1", "d/", "d/x=2"], "{row}");
        // Cut or changed, it is refused and leaves nothing.
        for broken in [packed[..packed.len() - 9].to_vec(), [&packed[..40], &[0xff; 8], &packed[48..]].concat()] {
            let place = Place::new();
            assert!(place.load(&docker_archive(&["odd:1"], &[broken], &document)).is_err(), "{row}");
            assert_eq!(place.files(), Vec::<String>::new(), "{row}");
        }
    }
}

#[test]
fn bombs_do_not_go_off() {
    // S-31: headers that promise more than there is.
    let mut bomb = layer(&["f=hello"]);
    for (field, row) in [(b"77777777777\0", "S-31 size beyond the end"), (b"-0000000001\0", "S-31 negative size")] {
        bomb[124..136].copy_from_slice(field);
        fix(&mut bomb);
        let place = Place::new();
        let begun = std::time::Instant::now();
        assert!(load(&place, std::slice::from_ref(&bomb)).is_err(), "{row}");
        assert!(begun.elapsed().as_secs() < 5, "{row}");
        assert_eq!(place.files(), Vec::<String>::new(), "{row}");
    }
    let deep = format!("{}f=1", "d/".repeat(3000));
    refused("S-31 depth", &[plain_deep(&deep)], "");
    // S-30: many empty gzip members are nothing, and are over soon.
    let empty = gzip(b"");
    let mut members = empty.repeat(200_000);
    members.extend(gzip(&layer(&["a=1"])));
    let begun = std::time::Instant::now();
    let place = Place::new();
    let layers = [layer(&["a=1"])];
    place.load(&docker_archive(&["odd:1"], &[members], &config(&layers, "x"))).expect("loads");
    assert_eq!(tree(&place, "odd:1", NAMES), ["a=1"]);
    assert!(begun.elapsed().as_secs() < 10, "S-30: {:?}", begun.elapsed());
}

fn plain_deep(name: &str) -> Vec<u8> {
    let (name, data) = name.split_once('=').expect("file");
    plain(&[(name, data.as_bytes())])
}

/// Writes the checksum of the first header anew.
fn fix(tar: &mut [u8]) {
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|b| u32::from(*b)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
