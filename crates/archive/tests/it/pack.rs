use archive::{ApplyOptions, Packer, Whiteouts};
use rustix::fs::CWD;

use crate::support::{Place, tar};

fn pack(place: &Place, whiteouts: Whiteouts) -> Vec<u8> {
    let mut p = Packer::new(Vec::new(), whiteouts);
    p.add_contents(archive::open_dir(CWD, place.root()).expect("open"), b"").expect("packs");
    p.finish().expect("finishes")
}

#[test]
fn a_layer_is_packed_as_it_was_applied() {
    let lines = ["a/", "a/.wh.gone=", "b/", "b/.wh..wh..opq=", "b/f=1", "h=>b/f", "l->/etc", "x=2"];
    let place = Place::new();
    place.apply(&tar(&lines)).expect("applies");
    let again = Place::new();
    again.apply(&pack(&place, Whiteouts::Overlay)).expect("applies");
    assert_eq!(again.tree(), place.tree());
    let plain = Place::new();
    let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
    plain.apply_with(&pack(&place, Whiteouts::Plain), options).expect("applies");
    assert_eq!(plain.tree(), place.tree().replace(" opaque", ""), "marks are devices, not names");
    use std::os::unix::fs::MetadataExt;
    let ino = |p: &str| again.root().join(p).symlink_metadata().expect(p).ino();
    assert_eq!(ino("h"), ino("b/f"));
}

#[test]
fn one_thing_is_packed_under_another_name() {
    let place = Place::new();
    place.apply(&tar(&["d/", "d/e/", "d/e/f=1", "g=2"])).expect("applies");
    let root = archive::open_dir(CWD, place.root()).expect("open");
    let mut p = Packer::new(Vec::new(), Whiteouts::Plain);
    p.add(&root, b"d", b"renamed").expect("packs");
    p.add(&root, b"g", b"h").expect("packs");
    p.add(&root, b"not there", b"x").expect("leaves it out");
    let again = Place::new();
    again.apply(&p.finish().expect("finishes")).expect("applies");
    assert_eq!(again.tree(), "h = 2\nrenamed/\nrenamed/e/\nrenamed/e/f = 1");
}
