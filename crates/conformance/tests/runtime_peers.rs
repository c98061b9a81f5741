//! Other engines on our runtime: stock dockerd with it as its default passes the scenario, podman says the same with it as
//! with crun.
//!
//! Needs root, and the peers that `bench/peers.sh fetch` unpacks. One machine per test: they may run side by side.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use std::fs;
use testkit::{CliKind, Engine, EngineKind, EngineOptions, Machine, place};

/// The scenario that stock dockerd passes with runc.
#[test]
fn dockerd_passes_the_scenario() {
    let script = Script::parse(include_str!("../cases/scenario.txt")).unwrap();
    let stage = Stage::set(EngineKind::DockerOnGantry, CliKind::Stock28).unwrap();
    let options = Options { variables: stage.variables(), ..Options::default() };
    let report = play(&script, &stage.engine, &stage.cli, &options).unwrap();
    eprintln!("dockerd on gantry: {}", report.to_string().lines().last().unwrap_or(""));
    report.ok().unwrap();
}

/// Containers of our own daemon on runc, crun and our own command line, behind the shim; names and paths that are wrong.
#[test]
fn containers_on_other_runtimes() {
    let runtimes = [
        ("crun", place::peer("docker/usr/bin/crun").unwrap()),
        ("other", place::peer("docker/usr/sbin/runc").unwrap()),
        ("ours", place::built("gantry-shim").unwrap()),
        ("bad", "/nope".into()),
    ];
    let args = runtimes.iter().map(|(name, path)| format!("--add-runtime={name}={}", path.display())).collect();
    let options = EngineOptions { args, ..EngineOptions::of(EngineKind::Gantry) };
    let machine = Machine::boot("other-runtimes").unwrap();
    // crun refuses hosts with a cgroup2 beside the others.
    machine.sh("mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; true").unwrap().ok().unwrap();
    let engine = Engine::start_in(machine, options).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    for runtime in ["crun", "other", "ours"] {
        let script = Script::parse(include_str!("../cases/other_runtime.txt")).unwrap();
        let variables = [
            ("IMAGES", place::images().display().to_string()),
            ("BB", "bench-busybox:1".to_owned()),
            ("RUNTIME", runtime.to_owned()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let options = Options { variables, ..Options::default() };
        play(&script, &engine, &cli, &options).unwrap().ok().unwrap();
    }
}

/// What dockerd tells of the runtime, and what only a runtime can do: pause, limits, statistics, exec with a terminal.
#[test]
fn dockerd_uses_it_whole() {
    let script = Script::parse(include_str!("../cases/runtime_peer.txt")).unwrap();
    let stage = Stage::set(EngineKind::DockerOnGantry, CliKind::Stock28).unwrap();
    let options = Options { variables: stage.variables(), ..Options::default() };
    play(&script, &stage.engine, &stage.cli, &options).unwrap().ok().unwrap();
    let info = stage.engine.machine.sh("docker -H unix:///run/docker.sock info -f '{{.DefaultRuntime}}'").unwrap();
    assert_eq!(info.stdout.trim(), "gantry");
}

fn podman(runtime: &str, path: &str) -> String {
    let machine = Machine::boot(&format!("podman-{runtime}")).unwrap();
    let dir = machine.dir().to_path_buf();
    fs::write(dir.join("bin/setup"), include_str!("peers/podman.sh")).unwrap();
    fs::write(dir.join("bin/scenario"), include_str!("peers/scenario.sh")).unwrap();
    let variables = [
        ("PEER", place::peers().join("podman").display().to_string()),
        ("RUNTIME", path.to_owned()),
        ("DIR", dir.display().to_string()),
        ("IMAGE", place::image("busybox.tar").unwrap().display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let limit = std::time::Duration::from_secs(120);
    let script = format!("bash {0}/bin/setup && . {0}/podman.env && bash {0}/bin/scenario", dir.display());
    let output = machine.sh_for(&script, limit, &variables).unwrap();
    assert!(!output.timed_out, "{output:?}");
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    if runtime != "crun" {
        let left = fs::read_dir(machine.outside("/run/gantry-runtime").unwrap()).unwrap().count();
        assert_eq!(left, 0, "records of containers that are removed");
    }
    output.stdout
}

/// The same words and exit codes with crun, which is the yardstick, and with ours.
#[test]
fn podman_says_the_same_as_with_crun() {
    place::peer("podman/usr/bin/podman").unwrap();
    let ours = place::built("gantry-shim").unwrap().display().to_string();
    let (got, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| podman("crun", "crun"));
        (podman("gantry", &ours), theirs.join().unwrap())
    });
    assert!(theirs.lines().count() > 60, "the scenario ran: {theirs}");
    let differences: Vec<String> = theirs
        .lines()
        .zip(got.lines())
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| format!("crun: {theirs}\nours: {ours}\n"))
        .collect();
    assert!(differences.is_empty(), "{}\n{got}", differences.concat());
    assert_eq!(theirs.lines().count(), got.lines().count(), "{got}");
}
