//! Volumes and mounts (`cases/volumes.txt`, `cases/mounts.txt`) with each command line, and what crashes leave of them.
//!
//! The security cases S-10 and S-14 are in `mounts.txt`, S-18 in `volumes.txt`; here are R-14, R-20 and R-21 for volumes.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use std::time::Duration;
use testkit::faults::Disk;
use testkit::{Cli, CliKind, Engine, EngineKind, EngineOptions, Machine, invariants, place};

fn run(engine: EngineKind, cli: CliKind) {
    let stage = Stage::set(engine, cli).unwrap();
    for cases in [include_str!("../cases/volumes.txt"), include_str!("../cases/mounts.txt")] {
        let script = Script::parse(cases).unwrap();
        let options = Options { variables: stage.variables(), ..Options::default() };
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

/// The cases themselves are true: they pass on Docker's own.
#[test]
fn stock28_on_docker() {
    run(EngineKind::Docker, CliKind::Stock28);
}

const BB: &str = "bench-busybox:1";

fn ok(engine: &Engine, cli: &Cli, script: &str) -> String {
    engine.run(cli, script).unwrap().ok().unwrap().text().to_owned()
}

/// A crash of the daemon and one of the machine: named, anonymous and mounted volumes are there and used again.
#[test]
fn volumes_outlive_daemon_and_machine() {
    let mut engine = Engine::start_with("volcrash", EngineOptions::of(EngineKind::Gantry)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    ok(
        &engine,
        &cli,
        &format!(
            "docker volume create --label a=b kept; docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m mem
             docker run -d --name ctr -v kept:/kept -v /anon -v mem:/mem {BB} sh -c 'echo k >/kept/f; echo a >/anon/f; echo m >/mem/f; exec sleep 1000'"
        ),
    );
    let at = |path: &str| engine_data(&engine, path);
    let mounted = at("volumes/mem/_data/f");
    engine.kill().unwrap();
    engine.up().unwrap();
    assert!(engine.machine.outside(&mounted).unwrap().exists(), "the volume of a running container stays mounted");
    assert_eq!(ok(&engine, &cli, "docker exec ctr cat /mem/f"), "m");
    assert_ne!(engine.run(&cli, "docker volume rm mem").unwrap().code, 0, "it is in use");
    engine.reboot().unwrap();
    engine.up().unwrap();
    assert_eq!(ok(&engine, &cli, "docker start ctr >/dev/null; docker exec ctr cat /kept/f /anon/f /mem/f"), "k\na\nm");
    assert_eq!(ok(&engine, &cli, "docker volume inspect -f '{{json .Labels}}' kept"), r#"{"a":"b"}"#);
    ok(&engine, &cli, "docker rm -fv ctr; docker volume rm kept mem");
    assert_eq!(ok(&engine, &cli, "docker volume ls -q"), "");
    let left =
        engine.machine.sh(&format!("ls -A {}; grep -c volumes/ /proc/self/mountinfo", engine_data(&engine, "volumes")));
    assert_eq!(left.unwrap().text(), "0", "nothing is left");
    invariants::check(&engine).unwrap();
}

fn engine_data(engine: &Engine, path: &str) -> String {
    engine.data_root().join(path).display().to_string()
}

/// R-21 for volumes: what was answered is there after a loss of power, with labels and what was copied into it.
#[test]
fn power_loss_after_every_answer() {
    let machine = Machine::boot("volpower").unwrap();
    let disk = Disk::mount(&machine, 256, None).unwrap();
    let options = EngineOptions { data_root: Some(disk.path().join("data")), ..EngineOptions::of(EngineKind::Gantry) };
    let mut engine = Engine::start_in(machine, options).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let steps = [
        ("docker volume create --label a=b one", "docker volume inspect -f '{{.Labels.a}}' one | grep -q b"),
        (
            "docker create --name ctr -v filled:/bin -v /etc bench-busybox:1 true",
            "docker run --rm -v filled:/v bench-busybox:1 sh -c 'cd /v && for f in /bin/*; do cmp $f /v/${f##*/} || exit 1; done' && docker start -a ctr",
        ),
        ("docker volume rm one", "! docker volume inspect one && [ -z \"$(docker volume ls -q --filter name=one)\" ]"),
        ("docker rm -v ctr", "[ \"$(docker volume ls -q)\" = filled ]"),
        ("docker volume rm filled", "[ -z \"$(docker volume ls -q)\" ]"),
    ];
    for (step, proof) in steps {
        ok(&engine, &cli, step);
        disk.cut(&engine.machine).unwrap();
        engine.reboot().unwrap();
        disk.remount(&engine.machine).unwrap();
        engine.up().unwrap();
        let proved = engine.run(&cli, proof).unwrap();
        assert_eq!(proved.code, 0, "power loss after {step:?} was answered: {proved}");
        invariants::check(&engine).unwrap();
    }
    let left = engine.machine.sh(&format!("ls -A {}", engine_data(&engine, "volumes"))).unwrap();
    assert_eq!(left.text(), "", "nothing is left");
}

/// R-20 for volumes: whenever the daemon dies while it makes or removes one, it is there or not there afterwards, and the
/// same again works.
#[test]
fn death_at_every_durable_call() {
    let mut engine = Engine::start_with("voldeath", EngineOptions::of(EngineKind::Gantry)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let calls = "rename,renameat,renameat2,fsync,fdatasync,mkdir,mkdirat,unlink,unlinkat,rmdir,syncfs";
    // Not each of them, or it would take minutes; neighbours are seldom different.
    for nth in (1..300).step_by(19) {
        let tracer = testkit::faults::die_at(&engine, calls, nth).unwrap();
        let script = "docker volume create --label a=b vol >/dev/null && docker create --name ctr -v vol:/bin -v /x bench-busybox:1 true >/dev/null && docker rm -v ctr >/dev/null && docker volume rm vol >/dev/null";
        let went = engine.run(&cli, script).unwrap();
        drop(tracer);
        if engine.wait_end(Duration::from_millis(200)).unwrap().is_none() {
            assert_eq!(went.code, 0, "{went}");
            return;
        }
        engine.up().unwrap();
        let label = "docker volume inspect -f '{{.Labels.a}}' vol 2>/dev/null || true";
        assert!(matches!(ok(&engine, &cli, label).as_str(), "" | "b"), "death at call {nth}: half a volume");
        let again = "docker rm -fv ctr >/dev/null 2>&1; docker create --name ctr -v vol:/bin -v /x bench-busybox:1 true >/dev/null && docker run --rm --volumes-from ctr bench-busybox:1 true && docker rm -v ctr >/dev/null && docker volume rm vol >/dev/null; docker volume prune -f >/dev/null; docker volume ls -q";
        assert_eq!(ok(&engine, &cli, again), "", "after death at call {nth}");
        invariants::check(&engine).unwrap();
    }
    panic!("the calls never ended");
}
