//! Running another process in a container: the shim's side.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use oci::runtime::{Linux, NamespaceType, Process, Spec, State, Status, VERSION};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::CpuSet;
use shim_proto::{Conn, StartError, Step};
use sys::process::{Cloned, flags};

use crate::child::init::Tty;
use crate::child::join::JoinPlan;
use crate::create::{cgroup_step, release};
use crate::failure::{Context as _, Failure, Result};
use crate::filter::Filter;
use crate::manner::Manner;
use crate::starting::{Starting, Whose};
use crate::stdio::Stdio;
use crate::{child, hooks, validate};

/// A process to be run in a running container.
#[derive(Debug)]
pub struct Exec<'a> {
    /// Full id of the container.
    pub id: &'a str,
    /// What is run.
    pub process: &'a Process,
    /// The container's first process, alive.
    pub target: BorrowedFd<'a>,
    /// Its process id.
    pub pid: i32,
    /// What [`namespaces_to_join`] says of the container's spec.
    pub namespaces: u64,
    /// The container's cgroup.
    pub cgroup: &'a cgroup::Manager,
    /// The container's filter.
    pub filter: Option<&'a Filter>,
    /// The Linux part of the container's spec, for what holds for all its processes (personality, memory policy).
    pub linux: Option<&'a Linux>,
    /// Who runs it.
    pub manner: Manner<'a>,
}

/// Which namespaces a process has to join that comes into this container later, as `CLONE_NEW*`.
#[must_use]
pub fn namespaces_to_join(spec: &Spec, netns: bool) -> u64 {
    let list = spec.linux.as_ref().map(|l| l.namespaces.as_slice()).unwrap_or_default();
    let all = list.iter().fold(flags::NEWNS, |bits, namespace| {
        bits | match namespace.r#type {
            NamespaceType::Pid => flags::NEWPID,
            NamespaceType::Network => flags::NEWNET,
            NamespaceType::Mount => flags::NEWNS,
            NamespaceType::Ipc => flags::NEWIPC,
            NamespaceType::Uts => flags::NEWUTS,
            NamespaceType::User => flags::NEWUSER,
            NamespaceType::Cgroup => flags::NEWCGROUP,
            NamespaceType::Time => flags::NEWTIME,
        }
    });
    if netns { all | flags::NEWNET } else { all }
}

/// Where the container's first process lives: a container that manages cgroups itself (systemd in it) has moved it below its
/// own, into which no process may go any more (cgroups(7), "no internal processes").
fn cgroup_of(pid: i32, cgroup: &cgroup::Manager) -> Option<OwnedFd> {
    let mount = cgroup.hierarchies().unified()?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let inside = format!("{}/", cgroup.path().trim_start_matches('/'));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    path.starts_with(&inside).then(|| rustix::fs::open(mount.join(path), flags, Mode::empty()).ok()).flatten()
}

/// Sets a process on its way into a running container.
///
/// # Errors
/// Why, in Docker's words.
pub fn exec(exec: &Exec<'_>, stdio: Stdio) -> std::result::Result<Starting, StartError> {
    launch(exec, stdio).map_err(Failure::of_exec)
}

/// CPUs before and after the process is in the container's cgroup.
fn affinity(process: &Process) -> Result<(Option<CpuSet>, Option<CpuSet>)> {
    let Some(affinity) = &process.exec_cpu_affinity else { return Ok((None, None)) };
    let parse = |what: &str, list: &str| {
        cpus(list).map_err(|part| {
            Failure::plain(Step::Plan, format!("bad CPUAffinity.{what}: invalid CPU list {list:?}: {part:?}"))
        })
    };
    Ok((parse("Initial", &affinity.initial)?, parse("Final", &affinity.r#final)?))
}

/// A list as `0-2,7`; `None` when it is empty. The error is the part that makes no sense.
fn cpus(list: &str) -> std::result::Result<Option<CpuSet>, &str> {
    let mut set = CpuSet::new();
    let mut any = false;
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |n: &str| n.trim().parse::<usize>().ok().filter(|n| *n < CpuSet::MAX_CPU);
        let (Some(first), Some(last)) = (number(first), number(last)) else { return Err(part) };
        if first > last {
            return Err(part);
        }
        (first..=last).for_each(|cpu| set.set(cpu));
        any = true;
    }
    Ok(any.then_some(set))
}

/// The container, for who is asked about system calls.
fn state(exec: &Exec<'_>) -> State {
    let spec = Spec { oci_version: VERSION.to_owned(), ..Spec::default() };
    State { pid: Some(exec.pid), ..hooks::state(&spec, exec.id, exec.manner.bundle, Status::Running) }
}

fn launch(exec: &Exec<'_>, stdio: Stdio) -> Result<Starting> {
    validate::process(exec.process)?;
    let affinity = affinity(exec.process)?;
    if exec.process.args.is_empty() {
        return Err(Failure::plain(Step::Plan, "process args must not be empty"));
    }
    let (ours, theirs) = Conn::pair().context(Step::Prepare, "socketpair")?;
    let into = cgroup_step(exec.cgroup.open_for_clone_into())?;
    let entry = cgroup_step(exec.cgroup.open_v1())?;
    let mut cloned = sys::process::clone3(0, into.as_ref().map(|fd| fd.as_fd()));
    if matches!(cloned, Err(Errno::BUSY))
        && let Some(own) = cgroup_of(exec.pid, exec.cgroup)
    {
        cloned = sys::process::clone3(0, Some(own.as_fd()));
    }
    let (pid, pidfd) = match cloned.context(Step::Namespace, "clone3")? {
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
        Cloned::Child => {
            drop(ours);
            let tty = match &stdio {
                Stdio::Terminal { size } => Some(Tty { size: *size }),
                Stdio::Streams { .. } => None,
            };
            let plan = JoinPlan {
                id: exec.id,
                entry,
                process: exec.process,
                target: exec.target,
                namespaces: exec.namespaces,
                tty,
                filter: exec.filter,
                affinity,
                linux: exec.linux,
                manner: exec.manner,
            };
            child::join::run(&plan, stdio, &theirs)
        }
    };
    drop((theirs, stdio, entry));
    let starting = Starting {
        whose: Whose::Exec,
        conn: ours,
        process: Some((pid, pidfd)),
        helper: None,
        console: None,
        ready: false,
        word: false,
        hooks: None,
        filter: None,
        listener: exec.filter.and_then(|filter| filter.listener(|| state(exec))),
    };
    release(&starting, exec.process, exec.manner.outlives)?;
    Ok(starting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        fn set(list: &str) -> std::result::Result<Option<Vec<usize>>, &str> {
            Ok(cpus(list)?.map(|set| (0..64).filter(|c| set.is_set(*c)).collect()))
        }
        assert_eq!(set("0-2, 7"), Ok(Some(vec![0, 1, 2, 7])));
        assert_eq!(set(""), Ok(None));
        for bad in ["x", "3-1", "0-", "99999", "-1"] {
            let list = format!("0,{bad}");
            assert_eq!(set(&list), Err(bad));
        }
    }
}
