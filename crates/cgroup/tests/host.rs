//! A cgroup on the host's own hierarchies. Needs root; the cgroups have names of their own and are removed again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cgroup::{Hierarchies, Manager, Mode};
use oci::runtime::{Cpu, DeviceRule, DeviceRuleType, Memory, Pids, Resources};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

/// A cgroup that goes away with its processes, whatever the test does.
struct Group(Manager);

impl Group {
    fn new(name: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "needs root");
        let hierarchies = Hierarchies::detect().expect("hierarchies");
        let path = format!("/gantry-test-cgroup-{}-{name}", std::process::id());
        let manager = Manager::new(&path, &hierarchies).expect("a path");
        manager.create().expect("creates");
        Self(manager)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.0.thaw();
        let _ = self.0.kill();
        let _ = self.0.delete();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("small")).expect("not zero")
}

/// A shell that runs `script` once it is told to, so that it can be put into the cgroup before.
fn shell(script: &str) -> Child {
    Command::new("/bin/sh").arg("-c").arg(format!("read x; {script}")).stdin(Stdio::piped()).spawn().expect("a shell")
}

fn go(child: &mut Child) {
    drop(child.stdin.take());
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn limits() -> Resources {
    Resources {
        memory: Some(Memory { limit: Some(64 << 20), ..Memory::default() }),
        cpu: Some(Cpu { shares: Some(512), quota: Some(50_000), period: Some(100_000), ..Cpu::default() }),
        pids: Some(Pids { limit: Some(20) }),
        ..Resources::default()
    }
}

#[test]
fn a_process_lives_and_dies_in_it() {
    let group = Group::new("life");
    let manager = &group.0;
    manager.apply(&limits()).expect("applies");
    let mut child = shell("sleep 100 & sleep 100");
    manager.add_pid(pid(&child)).expect("goes in");
    go(&mut child);
    eventually("three processes", || manager.procs().expect("procs").len() == 3);
    let stats = manager.stats().expect("stats");
    assert_eq!((stats.memory.limit, stats.pids.limit, stats.pids.current), (64 << 20, 20, 3));
    assert!(stats.memory.usage > 0 && stats.cpu.total > 0);
    manager.freeze().expect("freezes");
    assert!(manager.is_frozen().expect("is frozen"));
    manager.freeze().expect("freezes again");
    manager.thaw().expect("thaws");
    assert!(!manager.is_frozen().expect("is thawed"));
    // Raised and lowered while it runs, swap with it.
    for (limit, swap) in [(128, 256), (32, 64), (96, 96)] {
        let memory = Some(Memory { limit: Some(limit << 20), swap: Some(swap << 20), ..Memory::default() });
        manager.apply(&Resources { memory, ..Resources::default() }).expect("updates");
    }
    manager.freeze().expect("freezes");
    manager.kill().expect("kills, frozen as it is");
    assert!(!child.wait().expect("ends").success());
    eventually("all gone", || manager.procs().expect("procs").is_empty());
    manager.delete().expect("deletes");
    assert!(!manager.exists());
    manager.delete().expect("deletes again");
}

#[test]
fn a_child_can_be_born_in_it() {
    let group = Group::new("born");
    let fd = group.0.open_for_clone_into().expect("opens");
    assert_eq!(fd.is_some(), group.0.hierarchies().mode() != Mode::V1);
}

#[test]
fn a_thread_goes_in_by_itself() {
    let group = Group::new("entry");
    let entry = group.0.open_v1().expect("opens");
    let path = group.0.path();
    let inside = std::thread::spawn(move || {
        entry.enter().expect("goes in");
        std::fs::read_to_string("/proc/thread-self/cgroup").expect("can be read")
    });
    let inside = inside.join().expect("ends");
    for (controllers, dir) in group.0.v1_dirs() {
        let line = inside.lines().find(|line| line.contains(&format!(":{}:", controllers.join(","))));
        assert!(line.is_some_and(|line| line.ends_with(&path)), "{}: {inside}", dir.display());
    }
}

#[test]
fn running_out_of_memory_is_told_and_counted() {
    let group = Group::new("oom");
    let memory = Some(Memory { limit: Some(8 << 20), swap: Some(8 << 20), ..Memory::default() });
    group.0.apply(&Resources { memory, ..Resources::default() }).expect("applies");
    let watch = group.0.oom_watch().expect("a watch");
    assert_eq!(group.0.oom_count().expect("a count"), 0);
    // The shell doubles a string until it is killed.
    let mut child = shell("x=0123456789abcdef; while :; do x=$x$x; done");
    group.0.add_pid(pid(&child)).expect("goes in");
    go(&mut child);
    assert!(!child.wait().expect("ends").success());
    let mut fds = [PollFd::new(&watch, PollFlags::IN)];
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&limit)).expect("polls"), 1);
    watch.drain().expect("drains");
    assert_eq!(group.0.oom_count().expect("a count"), 1);
}

fn rules(extra: &[DeviceRule]) -> Resources {
    Resources { devices: [cgroup::default_device_rules(), extra.to_vec()].concat(), ..Resources::default() }
}

/// /dev/loop-control (10, 237) or, where there is none, /dev/kmsg (1, 11): outside of what a container may have.
fn forbidden() -> (&'static str, DeviceRule) {
    let (path, major, minor) =
        if Path::new("/dev/kmsg").exists() { ("/dev/kmsg", 1, 11) } else { ("/dev/loop-control", 10, 237) };
    let kind = Some(DeviceRuleType::Char);
    (path, DeviceRule { allow: true, r#type: kind, major: Some(major), minor: Some(minor), access: "rwm".to_owned() })
}

fn can_open(manager: &Manager, path: &str) -> bool {
    let mut child = shell(&format!("exec 3<{path}"));
    manager.add_pid(pid(&child)).expect("goes in");
    go(&mut child);
    child.wait().expect("ends").success()
}

#[test]
fn devices_are_guarded() {
    let group = Group::new("devices");
    let (path, rule) = forbidden();
    assert!(can_open(&group.0, path), "open before there are rules");
    group.0.apply(&rules(&[])).expect("applies");
    assert!(!can_open(&group.0, path) && can_open(&group.0, "/dev/zero"));
    group.0.apply(&rules(&[rule])).expect("applies");
    assert!(can_open(&group.0, path));
    group.0.apply(&rules(&[])).expect("applies");
    assert!(!can_open(&group.0, path));
}

/// The device filter of v2 works in the v2 tree of a hybrid host too, so that it is tried here whatever the host is.
#[test]
fn devices_are_guarded_by_bpf() {
    let hierarchies = Hierarchies::detect().expect("hierarchies");
    let Some(mount) = hierarchies.unified() else { return };
    let path = format!("/gantry-test-cgroup-{}-bpf", std::process::id());
    let group = Group(Manager::new(&path, &Hierarchies::new_v2(mount)).expect("a path"));
    group.0.create().expect("creates");
    let (path, rule) = forbidden();
    assert!(can_open(&group.0, path), "open before there are rules");
    group.0.apply(&rules(&[])).expect("applies");
    assert!(!can_open(&group.0, path) && can_open(&group.0, "/dev/zero"));
    group.0.apply(&rules(&[rule])).expect("applies");
    assert!(can_open(&group.0, path));
    let all = DeviceRule { allow: true, ..DeviceRule::default() };
    let block =
        DeviceRule { allow: false, r#type: Some(DeviceRuleType::Char), major: Some(1), ..DeviceRule::default() };
    group.0.apply(&Resources { devices: vec![all, block], ..Resources::default() }).expect("applies");
    assert!(!can_open(&group.0, "/dev/zero") && can_open(&group.0, "/dev/ptmx"));
}
