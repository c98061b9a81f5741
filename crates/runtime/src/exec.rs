//! Running another process in a container: the shim's side.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use oci::runtime::{NamespaceType, Process, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use shim_proto::{Conn, StartError, Step};
use sys::process::{Cloned, flags};

use crate::child;
use crate::child::init::Tty;
use crate::child::join::JoinPlan;
use crate::create::{cgroup_step, release};
use crate::failure::{Context as _, Failure, Result};
use crate::filter::Filter;
use crate::manner::Manner;
use crate::starting::{Starting, Whose};
use crate::stdio::Stdio;

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

fn launch(exec: &Exec<'_>, stdio: Stdio) -> Result<Starting> {
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
        hooks: None,
    };
    release(&starting, exec.process, exec.manner.outlives)?;
    Ok(starting)
}
