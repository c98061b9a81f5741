//! Bad input (`cases/bad_input.txt`, `cases/refused.txt`): Docker's error text and code, nothing left behind. And a full disk.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use std::time::Duration;
use testkit::faults::Disk;
use testkit::leftovers::Picture;
use testkit::{CliKind, Engine, EngineKind, EngineOptions, Machine, invariants, place};

fn run(engine: EngineKind, cli: CliKind) {
    let stage = Stage::set(engine, cli).unwrap();
    let options = Options { variables: stage.variables(), leave_nothing: true, ..Options::default() };
    for cases in [include_str!("../cases/bad_input.txt"), include_str!("../cases/refused.txt")] {
        let script = Script::parse(cases).unwrap();
        let report = play(&script, &stage.engine, &stage.cli, &options).unwrap();
        eprintln!("{} {}: {}", engine.name(), cli.name(), report.to_string().lines().last().unwrap_or(""));
        report.ok().unwrap();
    }
}

#[test]
fn stock28_on_gantry() {
    run(EngineKind::Gantry, CliKind::Stock28);
}

#[test]
fn stock20_on_gantry() {
    run(EngineKind::Gantry, CliKind::Stock20);
}

#[test]
fn gantry_on_gantry() {
    run(EngineKind::Gantry, CliKind::Gantry);
}

/// An image larger than the disk: ENOSPC in words, its parts removed, everything else goes on.
#[test]
fn disk_full() {
    let machine = Machine::boot("full").unwrap();
    let disk = Disk::mount(&machine, 48, None).unwrap();
    let options = EngineOptions { data_root: Some(disk.path().join("data")), ..EngineOptions::of(EngineKind::Gantry) };
    let engine = Engine::start_in(machine, options).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    engine.run(&cli, "docker run -d --name up bench-busybox:1 sleep 1000").unwrap().ok().unwrap();
    let before = Picture::take(&engine).unwrap();
    let free = || {
        let point = engine.machine.outside(&disk.path().display().to_string()).unwrap();
        let fs = rustix_statvfs(&point);
        fs.0 * fs.1
    };
    let free_before = free();
    let load = engine.run(&cli, &format!("docker load -i {}", place::image("debian.tar").unwrap().display())).unwrap();
    assert_ne!(load.code, 0, "{load}");
    assert!(load.stderr.contains("no space left on device"), "{load}");
    assert_eq!(before.settle(&engine, Duration::from_secs(60)).unwrap(), Vec::<String>::new());
    // The parts of the image are gone again: no more than a few blocks are missing.
    assert!(free() + (1 << 20) > free_before, "{} bytes free, {free_before} before", free());
    // With nothing free at all, what frees space and what only reads still works.
    disk.fill(&engine.machine).unwrap();
    for command in ["docker ps", "docker logs up", "docker stop -t 0 up", "docker rm up", "docker rmi bench-busybox:1"]
    {
        engine.run(&cli, command).unwrap().ok().unwrap();
    }
    invariants::check(&engine).unwrap();
}

fn rustix_statvfs(path: &std::path::Path) -> (u64, u64) {
    let fs = rustix::fs::statvfs(path).unwrap();
    (fs.f_bavail, fs.f_frsize)
}
