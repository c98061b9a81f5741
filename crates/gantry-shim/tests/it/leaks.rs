//! What is left after many containers and sessions: nothing. `GANTRY_LEAK_RUNS=1000` for more of them than CI has time for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use oci::runtime::{Namespace, NamespaceType};
use serde_json::{Value, json};
use shim_proto::{LogPlan, Request};

use crate::fixture::{Fixture, alive, binary, process, spec, until};

/// Before anything is counted: what is made once.
const WARM_UP: u64 = 5;
/// Private memory that a shim may have (0.3 MiB), in KiB.
const PRIVATE: u64 = 307;
/// By how much private memory may differ between two looks at the same rest, in KiB.
const BREATH: u64 = 32;

/// How many times each thing is done.
fn runs() -> u64 {
    std::env::var("GANTRY_LEAK_RUNS").map_or(60, |text| text.parse().unwrap())
}

/// Private memory of a process, dirty and clean, in KiB.
fn private(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = rollup.lines().filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

/// What the descriptors of a process are, each kind as often as it is there.
fn descriptors(pid: i32) -> Vec<String> {
    let links =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    // Without the numbers of sockets and pipes.
    let mut kinds: Vec<String> =
        links.map(|link| link.to_string_lossy().split(":[").next().unwrap().to_owned()).collect();
    kinds.sort();
    kinds
}

/// State and parent of a process.
fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Children of a process, with their states.
fn children(pid: i32) -> Vec<(i32, char)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let found = numbers.filter_map(|child| {
        let (state, parent) = state_and_parent(child)?;
        (parent == pid).then_some((child, state))
    });
    found.collect()
}

/// The cgroups of this name in every hierarchy, and in a v2 tree.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(top).unwrap().flatten().map(|entry| entry.path());
    hierarchies.chain([top.to_owned()]).map(|at| at.join(name)).filter(|dir| dir.is_dir()).collect()
}

/// Lines of the mount table that speak of a path.
fn mounts(of: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains(of.to_str().unwrap())).map(str::to_owned).collect()
}

/// Kernel objects that every container has one of. Others on this machine have them too, so that only a trend says
/// something. Empty where the kernel does not count them.
fn objects() -> Vec<(&'static str, u64)> {
    let table = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let count = |name: &'static str| {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        Some((name, line.split_whitespace().nth(1)?.parse().ok()?))
    };
    ["net_namespace", "pid_namespace", "mnt_cache"].into_iter().filter_map(count).collect()
}

/// Namespaces and mounts die behind their containers: within a while there are not so many more that each run had left one.
#[track_caller]
fn assert_no_trend(before: &[(&'static str, u64)], runs: u64) {
    let grown = || {
        let now = objects();
        before.iter().zip(now).any(|((_, before), (_, now))| now > before + runs / 2)
    };
    until("namespaces and mounts are gone", || !grown());
}

/// A bundle with all namespaces, Docker's mounts and masks, limits and a filter.
fn bundle(fixture: &Fixture, args: &[&str], cgroup: &str) -> PathBuf {
    let mut spec = spec(args);
    let linux = spec.linux.as_mut().unwrap();
    linux.namespaces.push(Namespace { r#type: NamespaceType::Cgroup, path: String::new() });
    linux.cgroups_path = cgroup.to_owned();
    let mut config = serde_json::to_value(&spec).unwrap();
    config["root"] = json!({"path": fixture.dir.path().join("lower"), "readonly": true});
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount", "keyctl", "bpf"], "action": "SCMP_ACT_ERRNO"}],
    });
    write_bundle(&fixture.dir.path().join("bundle"), &config)
}

fn write_bundle(dir: &Path, config: &Value) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    dir.to_owned()
}

/// Runc's command line on the program under test. What it says goes to a file, which a container may have open for longer.
fn runtime(fixture: &Fixture, args: &[&str]) {
    let said = fixture.dir.path().join("said");
    let mut command = Command::new(binary());
    command.arg("--root").arg(fixture.dir.path().join("state")).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap());
    let status = command.status().unwrap();
    assert!(status.success(), "{args:?}: {status}: {}", fs::read_to_string(&said).unwrap());
}

#[test]
fn containers_of_the_command_line_leave_nothing() {
    let fixture = Fixture::new();
    let name = format!("gantry-leaks-{}", std::process::id());
    let bundle = bundle(&fixture, &["true"], &format!("/{name}/c"));
    let (bundle, pid_file) = (bundle.to_str().unwrap(), fixture.dir.path().join("pid"));
    let mut pids = BTreeSet::new();
    let mut run = |number: u64| {
        let id = format!("c{number}");
        runtime(&fixture, &["run", "--bundle", bundle, "--pid-file", pid_file.to_str().unwrap(), &id]);
        let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        // Not even a zombie; another process may have its number by now.
        let comm = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(!comm.contains("(true)"), "{comm}");
        pids.insert(pid);
        for dir in cgroups(&name) {
            assert!(!dir.join("c").exists(), "{} is left", dir.display());
        }
    };
    (0..WARM_UP).for_each(&mut run);
    let before = objects();
    (WARM_UP..WARM_UP + runs()).for_each(&mut run);
    assert!(pids.len() > 1, "they were processes of their own");
    assert_eq!(fs::read_dir(fixture.dir.path().join("state")).unwrap().count(), 0, "records are left");
    assert_eq!(mounts(fixture.dir.path()), Vec::<String>::new());
    assert_no_trend(&before, runs());
    for dir in cgroups(&name) {
        // The parent of them all is nobody's business but ours.
        fs::remove_dir(&dir).unwrap();
    }
}

#[test]
fn sessions_of_the_command_line_leave_nothing() {
    let fixture = Fixture::new();
    let name = format!("gantry-leaks-x-{}", std::process::id());
    let bundle = bundle(&fixture, &["sleep", "1000"], &format!("/{name}"));
    runtime(&fixture, &["run", "--detach", "--bundle", bundle.to_str().unwrap(), "c"]);
    let state = fixture.dir.path().join("state/c");
    let files = || fs::read_dir(&state).unwrap().count();
    let exec = |_| runtime(&fixture, &["exec", "c", "true"]);
    (0..WARM_UP).for_each(exec);
    let (before, kept) = (objects(), files());
    (0..runs()).for_each(exec);
    assert_eq!(files(), kept);
    for dir in cgroups(&name) {
        let inside = fs::read_to_string(dir.join("cgroup.procs")).unwrap();
        assert_eq!(inside.lines().count(), 1, "{}: {inside}", dir.display());
    }
    assert_no_trend(&before, runs());
    runtime(&fixture, &["delete", "--force", "c"]);
    assert_eq!(cgroups(&name), Vec::<PathBuf>::new());
    assert!(!state.exists());
    assert_eq!(mounts(fixture.dir.path()), Vec::<String>::new());
}

#[test]
fn a_launcher_keeps_nothing_of_its_containers() {
    let mut fixture = Fixture::new();
    let run = |fixture: &mut Fixture| {
        let mut plan = fixture.plan(&["true"]);
        plan.log = LogPlan::None;
        let mut container = fixture.launch(&plan);
        let (_, launcher) = state_and_parent(container.shim_pid).unwrap();
        container.start().unwrap();
        assert_eq!(container.wait().status, 0);
        container.delete();
        container.assert_gone();
        for dir in cgroups("gantry-shim-it") {
            assert!(!dir.join(&plan.id).exists(), "{} is left", dir.display());
        }
        fs::remove_dir_all(fixture.dir.path().join(&plan.id)).unwrap();
        launcher
    };
    let launcher = (0..WARM_UP).map(|_| run(&mut fixture)).last().unwrap();
    let look = || (descriptors(launcher), children(launcher));
    until("all shims are reaped", || children(launcher).is_empty());
    let (before, memory, known) = (look(), private(launcher), objects());
    (0..runs()).for_each(|_| assert_eq!(run(&mut fixture), launcher));
    until("all shims are reaped", || children(launcher).is_empty());
    assert_eq!(look(), before);
    let after = private(launcher);
    assert!(after <= memory + BREATH, "{memory} KiB before, {after} KiB after");
    assert_eq!(mounts(fixture.dir.path()), Vec::<String>::new());
    assert_no_trend(&known, runs());
}

#[test]
fn a_shim_keeps_nothing_of_its_sessions() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "1000"]);
    let mut container = fixture.start(&plan);
    let shim = container.shim_pid;
    let mut number = 0;
    let mut exec = |container: &mut crate::fixture::Container| {
        number += 1;
        let id = number.to_string();
        drop(container.exec(&id, process(&["true"]), false).unwrap());
        assert_eq!(container.wait_exec(&id), 0);
    };
    (0..WARM_UP).for_each(|_| exec(&mut container));
    let at_rest = |what: &str, limit: u64| {
        until(what, || private(shim) <= limit);
        private(shim)
    };
    let memory = at_rest("it rests", PRIVATE);
    let before = descriptors(shim);
    let known = objects();
    (0..runs()).for_each(|_| exec(&mut container));
    until("descriptors are closed", || descriptors(shim) == before);
    at_rest("it rests as before", memory + BREATH);
    // The container's own process, no helper and no zombie of a session.
    let left = children(shim);
    assert!(matches!(left[..], [(_, 'S')]), "{left:?}");
    assert_no_trend(&known, runs());
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    container.assert_gone();
    assert!(!alive(left[0].0));
}

/// What a container costs outside of itself: the private memory of its shim, also of one of several.
#[test]
fn a_shim_has_little_memory() {
    let mut fixture = Fixture::new();
    let mut containers: Vec<_> = (0..3)
        .map(|_| {
            let plan = fixture.plan(&["sleep", "1000"]);
            fixture.start(&plan)
        })
        .collect();
    for container in &mut containers {
        until("it rests", || private(container.shim_pid) <= PRIVATE);
    }
    std::thread::sleep(Duration::from_millis(200));
    for mut container in containers {
        assert!(private(container.shim_pid) <= PRIVATE, "{} KiB", private(container.shim_pid));
        container.ok(Request::Signal { exec: None, signal: 9, all: false });
        container.wait();
        container.delete();
    }
}
