//! Signals, pausing, limits, the daemon's and the shim's death.

use std::time::{Duration, Instant};

use cgroup::{Hierarchies, Manager};
use oci::runtime::{Memory, Pids, Resources};
use shim_proto::{Event, ExitRecord, Fault, Reply, Request, Status};

use crate::fixture::{Fixture, alive, binary, process, until};

#[test]
fn signals_reach_the_process() {
    let mut fixture = Fixture::new();
    let plan =
        fixture.plan(&["sh", "-c", "trap 'exit 3' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done"]);
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, false);
    container.start().unwrap();
    crate::fixture::read_until(&mut stream, "up");
    container.ok(Request::Signal { exec: None, signal: 10, all: false });
    crate::fixture::read_until(&mut stream, "usr1");
    container.ok(Request::Signal { exec: None, signal: 15, all: false });
    assert_eq!(container.wait().status, 3);
    container.delete();
}

#[test]
fn pause_and_resume() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "while :; do echo x; sleep 0.02; done"]);
    let mut container = fixture.start(&plan);
    assert_eq!(container.call(Request::Resume), Reply::Error(Fault::NotPaused));
    container.ok(Request::Pause);
    let size = || std::fs::metadata(plan.exit_file.with_file_name("log")).unwrap().len();
    std::thread::sleep(Duration::from_millis(50));
    let before = size();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(size(), before);
    let Reply::State(state) = container.call(Request::State) else { panic!() };
    assert_eq!(state.status, Status::Paused);
    let spec = shim_proto::ExecSpec { id: "e".into(), process: process(&["true"]), open_stdin: false };
    assert_eq!(container.call(Request::Exec(Box::new(spec))), Reply::Error(Fault::Paused));
    container.ok(Request::Resume);
    until("it goes on", || size() > before);
    // Killing works while paused.
    container.ok(Request::Pause);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    assert_eq!(container.wait().status, 137);
    container.delete();
    container.assert_gone();
}

#[test]
fn processes_and_limits() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "sleep 100 & sleep 100"]);
    let mut container = fixture.start(&plan);
    until("both are there", || matches!(container.call(Request::Pids), Reply::Pids { pids } if pids.len() == 2));
    let resources = Resources { pids: Some(Pids { limit: Some(17) }), ..Resources::default() };
    container.ok(Request::Update { resources: Box::new(resources) });
    let limit = format!("/sys/fs/cgroup/pids/gantry-shim-it/{}/pids.max", container.id);
    if let Ok(text) = std::fs::read_to_string(limit) {
        assert_eq!(text.trim(), "17");
    }
    container.ok(Request::Signal { exec: None, signal: 9, all: true });
    container.wait();
    container.delete();
    container.assert_gone();
}

#[test]
fn out_of_memory_is_noticed() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "echo up; x=x; while :; do x=$x$x; done"]);
    if let Some(linux) = &mut plan.spec.linux {
        let memory = Memory { limit: Some(16 << 20), swap: Some(16 << 20), ..Memory::default() };
        linux.resources = Some(Resources { memory: Some(memory), ..Resources::default() });
    }
    let mut container = fixture.launch(&plan);
    match container.start() {
        Ok(_) => {}
        // No swap accounting on this host.
        Err(error) => panic!("{}", error.message),
    }
    let mut noticed = false;
    let record = loop {
        match container.event() {
            Event::Oom => noticed = true,
            Event::Exit(record) => break record,
            other => panic!("{other:?}"),
        }
    };
    assert!(noticed && record.oom_killed && record.status == 137, "{record:?}");
    container.delete();
}

#[test]
fn the_daemon_goes_and_comes_back() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["cat"]);
    plan.stdio.open_stdin = true;
    let mut container = fixture.start(&plan);
    container.ok(Request::Exec(Box::new(shim_proto::ExecSpec {
        id: "long".into(),
        process: process(&["sh", "-c", "sleep 0.3; exit 9"]),
        open_stdin: false,
    })));
    container.call(Request::ExecStart { id: "long".into() });
    let again = {
        let again = container.reconnect(&plan);
        drop(container);
        again
    };
    drop(again);
    // The launcher goes with the daemon; the shim does not.
    let Fixture { dir, launcher, .. } = fixture;
    launcher.shutdown().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let mut container = crate::fixture::Container::new(shim_proto::Conn::connect(&plan.socket()).unwrap(), 0, &plan);
    let hello = container.hello();
    container.shim_pid = hello.shim_pid;
    assert_eq!((hello.id.as_str(), hello.state.status), (plan.id.as_str(), Status::Running));
    let ended = hello.state.execs.iter().find(|e| e.id == "long").unwrap();
    assert_eq!(ended.exit.as_ref().unwrap().status, 9);
    assert!(container.hello().state.execs.is_empty(), "told twice");
    let mut stream = container.attach(None, true);
    crate::fixture::send(&mut stream, "still\n");
    crate::fixture::read_until(&mut stream, "still");
    container.ok(Request::CloseStdin { exec: None });
    assert_eq!(container.wait().status, 0);
    container.delete();
    container.assert_gone();
    drop(dir);
}

#[test]
fn a_container_that_ends_without_a_daemon_is_on_record() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "sleep 0.2; exit 6"]);
    let container = fixture.start(&plan);
    let (pid, run_dir) = (container.shim_pid, container.run_dir.clone());
    drop(container);
    until("the record is there", || ExitRecord::read(&plan.exit_file).unwrap().is_some());
    assert_eq!(ExitRecord::read(&plan.exit_file).unwrap().unwrap().status, 6);
    // A daemon may still ask; nobody does, so the shim leaves.
    assert!(alive(pid));
    let start = Instant::now();
    until("the shim left", || !alive(pid));
    assert!(start.elapsed() > Duration::from_secs(5));
    assert!(!run_dir.exists());
}

#[test]
fn a_killed_shim_takes_its_container_along() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.launch(&plan);
    let pid = container.start().unwrap();
    container.ok(Request::Exec(Box::new(shim_proto::ExecSpec {
        id: "e".into(),
        process: process(&["sleep", "100"]),
        open_stdin: false,
    })));
    let Reply::Started { pid: exec, .. } = container.call(Request::ExecStart { id: "e".into() }) else { panic!() };
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(container.shim_pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    until("everything is dead", || !alive(container.shim_pid) && !alive(pid) && !alive(exec));
    assert!(container.conn.recv::<shim_proto::FromShim>().unwrap().is_none());
    let cgroup = Manager::new(&plan.cgroup.path, &Hierarchies::detect().unwrap()).unwrap();
    runtime::cleanup(&container.run_dir, &cgroup).unwrap();
    runtime::cleanup(&container.run_dir, &cgroup).unwrap();
    container.assert_gone();
}

#[test]
fn a_killed_launcher_harms_nobody() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let launcher = i32::try_from(fixture.launcher.pid()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(launcher).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    let other = fixture.plan(&["true"]);
    until("it is noticed", || fixture.launcher.launch(&other).is_err());
    fixture.launcher = shim_proto::Launcher::spawn(&binary()).unwrap();
    assert_eq!(fixture.run(&["true"]).0.status, 0);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    assert_eq!(container.wait().status, 137);
    container.delete();
    container.assert_gone();
}

#[test]
fn a_shim_keeps_nothing_of_the_daemon() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let shim = container.shim_pid;
    let link = |path: &str| std::fs::read_link(format!("/proc/{shim}/{path}")).unwrap().to_string_lossy().into_owned();
    assert_eq!(link("cwd"), "/");
    assert!(link("exe").starts_with("/memfd:gantry-shim"), "{}", link("exe"));
    for entry in std::fs::read_dir(format!("/proc/{shim}/fd")).unwrap() {
        let target = link(&format!("fd/{}", entry.unwrap().file_name().to_string_lossy()));
        let known = ["/dev/null", "anon_inode:", "socket:", "pipe:", "pidfd:", "/sys/fs/cgroup"]
            .iter()
            .any(|k| target.starts_with(k));
        assert!(known || target == container.log.to_string_lossy(), "{target}");
    }
    let stat = std::fs::read_to_string(format!("/proc/{shim}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!(fields[3], shim.to_string(), "a session of its own");
    assert_eq!(std::fs::read_dir(format!("/proc/{shim}/task")).unwrap().count(), 1);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}
