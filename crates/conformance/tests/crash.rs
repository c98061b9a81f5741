//! Crashes: of the daemon, of a shim, of the machine. What was acknowledged is there afterwards, containers run on,
//! exit codes are true, nothing is left over.

#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::time::{Duration, Instant};
use testkit::faults::{self, Disk};
use testkit::invariants::{check, lines_complete};
use testkit::leftovers::{self, Picture};
use testkit::{Cli, CliKind, Engine, EngineKind, EngineOptions, Machine, place};

const BB: &str = "bench-busybox:1";

fn options() -> EngineOptions {
    let mut options = EngineOptions::default();
    if options.kind != EngineKind::Gantry {
        // Ours does this by default.
        options.args.push("--live-restore".to_owned());
    }
    options
}

fn start(name: &str) -> (Engine, Cli) {
    let engine = Engine::start_with(name, options()).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    std::os::unix::fs::symlink(place::built("probe").unwrap(), engine.machine.dir().join("bin/probe")).unwrap();
    let cli = engine.cli(CliKind::from_env()).unwrap();
    (engine, cli)
}

fn ok(engine: &Engine, cli: &Cli, script: &str) -> String {
    engine.run(cli, script).unwrap().ok().unwrap().text().to_owned()
}

fn inspect(engine: &Engine, name: &str) -> Value {
    engine.api().unwrap().get_json(&format!("/containers/{name}/json")).unwrap()
}

/// Waits until `probe` gives true.
fn until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !probe() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The host's number of a container's first process.
fn host_pid(engine: &Engine, name: &str) -> u32 {
    let pid = u32::try_from(inspect(engine, name)["State"]["Pid"].as_u64().unwrap()).unwrap();
    let all = leftovers::processes(engine.machine.name());
    all.iter().find(|p| p.ns_pids.get(1) == Some(&pid)).unwrap().pid
}

fn parent_of(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|l| l.strip_prefix("PPid:")).unwrap().trim().parse().unwrap()
}

#[test]
fn daemon_killed_containers_run_on() {
    let (mut engine, cli) = start("kill");
    let probe = place::built("probe").unwrap();
    for i in 0..5 {
        let lines =
            format!("docker run -d --name lines{i} -v {}:/probe:ro {BB} /probe lines 1000000 1000", probe.display());
        ok(&engine, &cli, &lines);
    }
    ok(
        &engine,
        &cli,
        &format!("docker run -d --name web -p 18080:80 {BB} sh -c 'hostname >/index.html; exec httpd -f -p 80 -h /'"),
    );
    ok(&engine, &cli, &format!("docker run -d --name seven {BB} sh -c 'sleep 2; exit 7'"));
    ok(&engine, &cli, &format!("docker run -d --rm --name gone {BB} sleep 2"));
    ok(&engine, &cli, &format!("docker run -d -i --name shell {BB} cat"));
    let names = ["lines0", "lines1", "lines2", "lines3", "lines4", "web", "shell"];
    let state = |engine: &Engine| names.map(|n| inspect(engine, n)["State"].clone());
    let before = state(&engine);
    engine.kill().unwrap();
    let down = Instant::now();
    while down.elapsed() < Duration::from_secs(3) {
        if engine.kind() == EngineKind::Gantry {
            engine.machine.sh("curl -sf -m 2 http://172.17.0.1:18080/").unwrap().ok().unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    engine.up().unwrap();
    for ((name, before), after) in names.iter().zip(&before).zip(&state(&engine)) {
        for field in ["Pid", "StartedAt", "Running"] {
            assert_eq!(before[field], after[field], "{name} {field}");
        }
    }
    if engine.kind() == EngineKind::Gantry {
        // Events of the daemon that was killed are still told, and those of what happened meanwhile come after them.
        let told = "docker events --since 1h --until 0s --filter container=seven --format '{{.Action}}' | xargs";
        until("the death of one is told after its start", Duration::from_secs(60), || {
            ok(&engine, &cli, told) == "create start die"
        });
    }
    assert_eq!(inspect(&engine, "seven")["State"]["ExitCode"], 7);
    until("--rm takes effect", Duration::from_secs(60), || {
        engine.api().unwrap().get("/containers/gone/json").unwrap().status == 404
    });
    for i in 0..5 {
        ok(&engine, &cli, &format!("docker kill lines{i}"));
        let log = ok(&engine, &cli, &format!("docker logs lines{i}"));
        let last = lines_complete(&log, 1).unwrap();
        assert!(last > 2000, "only {last} lines");
    }
    assert_eq!(ok(&engine, &cli, "docker exec web cat /index.html").len(), 12);
    assert_eq!(
        ok(&engine, &cli, "(echo again; sleep 1) | timeout -s KILL 20 docker attach --sig-proxy=false shell | head -1"),
        "again"
    );
    ok(&engine, &cli, "docker ps -aq | xargs docker rm -f");
    check(&engine).unwrap();
}

#[test]
fn daemon_killed_at_random_moments() {
    let (mut engine, cli) = start("random");
    let load = format!(
        "for w in 1 2 3; do (i=0; while [ -e $TMPDIR/go ]; do i=$((i+1)); n=w$w-$i
           docker run -d --name $n -p 127.0.0.1::80 {BB} sleep 1000; docker exec $n true; docker stop -t 0 $n; docker rm -f $n
         done) >/dev/null 2>&1 & done"
    );
    let mut seed = 88172645463325252u64;
    for _ in 0..12 {
        engine.machine.sh("touch $TMPDIR/go").unwrap().ok().unwrap();
        engine.run(&cli, &load).unwrap().ok().unwrap();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_millis(100 + seed % 900));
        engine.kill().unwrap();
        engine.machine.sh("rm $TMPDIR/go; sleep 0.3").unwrap().ok().unwrap();
        engine.up().unwrap();
        check(&engine).unwrap();
    }
    // Whatever the crashes left can be used and removed; one that is just removing itself (`--rm`) answers 409.
    ok(
        &engine,
        &cli,
        "for _ in $(seq 100); do docker ps -aq | xargs -r docker rm -f && break; sleep 0.3; done; test -z \"$(docker ps -aq)\"",
    );
    check(&engine).unwrap();
    ok(&engine, &cli, &format!("docker run --rm {BB} true"));
}

#[test]
fn shim_killed() {
    let (engine, cli) = start("shim");
    ok(&engine, &cli, &format!("docker run --rm {BB} true"));
    let before = Picture::take(&engine).unwrap();
    let events = engine.machine.dir().join("tmp/events");
    ok(&engine, &cli, &format!("docker events --since $(date +%s.%N) --filter event=die >{} 2>&1 &", events.display()));
    for (name, how) in
        [("plain", "-d"), ("removed", "-d --rm"), ("published", "-d -p 127.0.0.1:18080:80"), ("terminal", "-d -t")]
    {
        ok(&engine, &cli, &format!("docker run {how} --name {name} {BB} sleep 1000"));
        let shim = parent_of(host_pid(&engine, name));
        testkit::engine::signal(shim, "KILL").unwrap();
        let killed = Instant::now();
        until("the death is seen", Duration::from_secs(60), || {
            let reply = engine.api().unwrap().get(&format!("/containers/{name}/json")).unwrap();
            reply.status == 404 || reply.json().unwrap()["State"]["Running"] == false
        });
        if name != "removed" {
            let state = &inspect(&engine, name)["State"];
            assert_ne!(state["ExitCode"], 0, "{name}: {state} after {:?}", killed.elapsed());
            ok(&engine, &cli, &format!("docker rm {name}"));
        }
    }
    until("the events are seen", Duration::from_secs(60), || {
        std::fs::read_to_string(&events).unwrap().lines().count() == 4
    });
    engine.machine.sh("pkill -x docker || true").unwrap();
    assert_eq!(before.settle(&engine, Duration::from_secs(60)).unwrap(), Vec::<String>::new());
    check(&engine).unwrap();
}

#[test]
fn daemon_and_shim_killed() {
    let (mut engine, cli) = start("both");
    ok(&engine, &cli, &format!("docker run -d --name both -p 127.0.0.1:18080:80 {BB} sleep 1000"));
    let shim = parent_of(host_pid(&engine, "both"));
    engine.kill().unwrap();
    testkit::engine::signal(shim, "KILL").unwrap();
    engine.up().unwrap();
    let container = inspect(&engine, "both");
    assert_eq!(container["State"]["Running"], false);
    assert_ne!(container["State"]["ExitCode"], 0);
    assert!(!container["State"]["FinishedAt"].as_str().unwrap().starts_with("0001"));
    check(&engine).unwrap();
    ok(
        &engine,
        &cli,
        &format!("docker run --rm -p 127.0.0.1:18080:80 {BB} true; docker start both; docker rm -f both"),
    );
    check(&engine).unwrap();
}

#[test]
fn reboot() {
    let (mut engine, cli) = start("reboot");
    ok(&engine, &cli, &format!("docker run -d --name up -p 127.0.0.1:18080:80 {BB} sleep 1000"));
    ok(&engine, &cli, &format!("docker run -d --name auto --restart always {BB} sleep 1000"));
    ok(
        &engine,
        &cli,
        &format!("docker run --name wrote {BB} sh -c 'echo kept >/file'; docker create --name made {BB} true"),
    );
    engine.reboot().unwrap();
    engine.up().unwrap();
    let up = inspect(&engine, "up");
    assert_eq!((&up["State"]["Running"], &up["State"]["Status"]), (&Value::Bool(false), &Value::from("exited")));
    assert_eq!(inspect(&engine, "made")["State"]["Status"], "created");
    until("restart policy", Duration::from_secs(60), || inspect(&engine, "auto")["State"]["Running"] == true);
    check(&engine).unwrap();
    ok(&engine, &cli, "docker start up made && docker rm -f up made auto");
    assert_eq!(ok(&engine, &cli, "docker cp wrote:/file - | tar -xO || true"), "kept");
    ok(&engine, &cli, "docker rm wrote");
    check(&engine).unwrap();
}

#[test]
fn second_daemon_is_refused() {
    let (engine, cli) = start("two");
    ok(&engine, &cli, &format!("docker run -d --name up {BB} sleep 1000"));
    let argv = std::fs::read(format!("/proc/{}/cmdline", engine.pid().unwrap())).unwrap();
    let argv = String::from_utf8(argv).unwrap().replace('\0', "' '");
    let command = format!("'{}'", argv.trim_end_matches("' '")).replace("/run/docker.sock", "/run/second.sock");
    let second = engine.machine.sh_for(&command, Duration::from_secs(60), &[]).unwrap();
    assert!(second.code != 0 && !second.timed_out, "{second}");
    assert_eq!(ok(&engine, &cli, "docker ps --format '{{.Names}}'"), "up");
    check(&engine).unwrap();
}

#[test]
fn power_loss_after_every_answer() {
    let machine = Machine::boot("power").unwrap();
    let disk = Disk::mount(&machine, 512, None).unwrap();
    let options = EngineOptions { data_root: Some(disk.path().join("data")), ..options() };
    let mut engine = Engine::start_in(machine, options).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::from_env()).unwrap();
    let steps = [
        ("docker tag bench-busybox:1 second:1", "docker image inspect second:1"),
        ("docker create --name made second:1 sh -c 'exit 5'", "docker inspect made"),
        ("docker rename made renamed", "docker inspect renamed"),
        ("docker start -a renamed; [ $? = 5 ]", "[ $(docker inspect --format '{{.State.ExitCode}}' renamed) = 5 ]"),
        ("docker rm renamed", "! docker inspect renamed"),
        ("docker rmi second:1", "! docker image inspect second:1"),
        ("docker run --name ran bench-busybox:1 true", "docker start -a ran"),
    ];
    for (step, proof) in steps {
        ok(&engine, &cli, step);
        disk.cut(&engine.machine).unwrap();
        engine.reboot().unwrap();
        disk.remount(&engine.machine).unwrap();
        engine.up().unwrap();
        let proved = engine.run(&cli, proof).unwrap();
        assert_eq!(proved.code, 0, "power loss after {step:?} was answered: {proved}");
        check(&engine).unwrap();
    }
}

/// Dies just before each durable call in turn, until the operation gets through.
#[test]
fn death_at_every_durable_call() {
    let (mut engine, cli) = start("sweep");
    let calls = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
    let operations = [
        ("docker create --name swept bench-busybox:1 true", "docker rm -f swept"),
        ("docker create --name swept bench-busybox:1 true >/dev/null 2>&1 && docker rm swept", "docker rm -f swept"),
        ("docker tag bench-busybox:1 other:1", "docker rmi other:1"),
        ("docker run -d --name swept bench-busybox:1 sleep 1000", "docker rm -f swept"),
    ];
    for (operation, undo) in operations {
        for nth in 1..40 {
            let tracer = faults::die_at(&engine, calls, nth).unwrap();
            let done = engine.run(&cli, operation).unwrap();
            let died = engine.wait_end(Duration::from_millis(if done.code == 0 { 50 } else { 2000 })).unwrap();
            drop(tracer);
            if died.is_some() {
                engine.up().unwrap();
            } else {
                assert_eq!(done.code, 0, "{done}");
            }
            check(&engine).unwrap();
            let undone = engine.run(&cli, undo).unwrap();
            assert!(undone.code == 0 || undone.stderr.contains("No such"), "{operation} died at {nth}: {undone}");
            if died.is_none() {
                break;
            }
            assert!(nth < 39, "{operation} never gets through");
        }
    }
    ok(&engine, &cli, "docker run --rm bench-busybox:1 true");
    check(&engine).unwrap();
}

#[test]
fn descriptors_run_out() {
    let (engine, cli) = start("emfile");
    let open = std::fs::read_dir(format!("/proc/{}/fd", engine.pid().unwrap())).unwrap().count() as u64;
    // With none at all left a client may wait; what counts is that nothing is lost or left behind.
    for more in [0, 1, 2, 3, 4, 4, 6, 8, 10, 12, 16] {
        faults::limit_descriptors(&engine, open + more).unwrap();
        engine.run_for(&cli, "docker run --rm bench-busybox:1 true", Duration::from_secs(3), &[]).unwrap();
    }
    faults::limit_descriptors(&engine, 20000).unwrap();
    ok(
        &engine,
        &cli,
        "for _ in $(seq 100); do docker ps -aq | xargs -r docker rm -f && break; sleep 0.3; done; docker run --rm bench-busybox:1 true",
    );
    check(&engine).unwrap();
}
