//! `gantry system check` by hand: a blob, a layer and the note beside a layer are damaged; all is found, put aside and mended,
//! what cannot be made again here is fetched again.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use testkit::images::{Image, Layer};
use testkit::invariants::check;
use testkit::registry::{Options, Registry};
use testkit::{CliKind, Engine, EngineKind};

/// The first directory of this name, not deeper than so.
fn find(dir: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    let here = dirs.iter().find(|d| d.ends_with(name)).cloned();
    here.or_else(|| if depth == 0 { None } else { dirs.iter().find_map(|d| find(d, name, depth - 1)) })
}

/// One bit turns; the file's time does not tell.
fn rot(path: &Path) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 100).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(modified)).unwrap();
}

#[test]
fn damage_is_found_put_aside_and_healed() {
    let mut engine = Engine::start("check").unwrap();
    if engine.kind() != EngineKind::Gantry {
        return;
    }
    let registry = Registry::in_machine(&engine.machine, Options::default()).unwrap();
    let layers = [1, 2, 3].map(|n| Layer::noise(&format!("f{n}"), 200_000, n).gzip());
    let image = layers.iter().cloned().fold(Image::builder(), testkit::images::ImageBuilder::layer);
    registry.push("app", "1", &image.cmd(&["/f1"]).build());
    let name = registry.name("app:1");
    let cli = engine.cli(CliKind::Gantry).unwrap();
    let run = |engine: &Engine, script: &str| engine.run(&cli, script).unwrap();
    run(&engine, &format!("docker pull -q {name}")).ok().unwrap();
    let whole = run(&engine, "docker system check").ok().unwrap();
    assert_eq!(whole.text(), "Checked 1 images, 5 blobs, 3 layers: 0 faults");

    let root = engine.data_root();
    let blobs = find(&root, "blobs", 4).unwrap().join("sha256");
    let unpacked = find(&root, "layers", 4).unwrap();
    let blob = |n: usize| blobs.join(layers[n].blob.digest.trim_start_matches("sha256:"));
    let layer = |n: usize| unpacked.join(layers[n].diff_id.trim_start_matches("sha256:"));
    engine.stop().unwrap();
    rot(&blob(0));
    rot(&layer(1).join("fs/f2"));
    std::fs::write(layer(2).join("layer"), "version 1\nbytes").unwrap();
    engine.up().unwrap();

    let found = run(&engine, "docker system check");
    assert_eq!(found.code, 1, "{found}");
    for (kind, n) in [("blob", 0), ("layer", 1), ("layer", 2)] {
        let id = if kind == "blob" { &layers[n].blob.digest } else { layers[n].diff_id.trim_start_matches("sha256:") };
        let line = found.stdout.lines().find(|l| l.starts_with(&format!("{kind} {id}: ")));
        assert!(line.is_some_and(|l| l.ends_with(&format!("(needed by {name})"))), "{kind} {n}: {found}");
    }
    assert!(found.stdout.ends_with(": 3 faults\n"), "{found}");

    let mended = run(&engine, "docker system check --repair").ok().unwrap();
    assert_eq!(
        (mended.stdout.matches("[rebuilt]").count(), mended.stdout.matches("[quarantined]").count()),
        (2, 1),
        "{mended}"
    );
    assert!(!blob(0).exists());
    assert_eq!(std::fs::read(layer(1).join("fs/f2")).unwrap().len(), 200_000);
    // The blob is not here any more, which the next check says, until it is fetched: it alone.
    assert_eq!(run(&engine, "docker system check --repair").code, 1);
    registry.take_log();
    run(&engine, &format!("docker pull -q {name}")).ok().unwrap();
    let log = registry.take_log();
    let fetched: Vec<&str> = log.iter().filter(|l| l.path.contains("/blobs/")).map(|l| l.path.as_str()).collect();
    assert_eq!(fetched, [format!("/v2/app/blobs/{}", layers[0].blob.digest)]);
    let whole = run(&engine, "docker system check").ok().unwrap();
    assert_eq!(whole.text(), "Checked 1 images, 5 blobs, 3 layers: 0 faults");
    let tree = run(
        &engine,
        &format!(
            "c=$(docker create {name}); docker export $c | tar -t | grep ^f | sort | xargs; docker rm $c >/dev/null"
        ),
    );
    assert_eq!(tree.ok().unwrap().text(), "f1 f2 f3");
    check(&engine).unwrap();
}
