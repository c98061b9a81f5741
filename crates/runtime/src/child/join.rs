//! The way of an exec session's process into a running container.
//!
//! Two processes: a helper that joins all namespaces while nothing in the container can see it (it stays in the shim's
//! PID namespace), and the user's process, forked by it into the container's PID namespace when root and working
//! directory lie in the container already. Its parent is the shim.

use std::borrow::Cow;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use fsroot::Tree;
use oci::runtime::{Linux, Process};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{CpuSet, ThreadNameSpaceType, move_into_thread_name_spaces, sched_setaffinity};
use shim_proto::{Conn, Step};
use sys::process::flags;

use crate::channel::FromChild;
use crate::child::init::{Tty, detach, fork_inside, join_keyring, wait_for_go};
use crate::child::mounts::private_proc;
use crate::child::{console, finish, identity, kernel};
use crate::create::cgroup_step;
use crate::failure::{Context as _, Failure, Result};
use crate::filter::Filter;
use crate::manner::Manner;
use crate::stdio::Stdio;

/// All that the helper needs.
#[derive(Debug)]
pub(crate) struct JoinPlan<'a> {
    pub(crate) id: &'a str,
    /// The container's cgroups but the one it was born in.
    pub(crate) entry: cgroup::Entry,
    pub(crate) process: &'a Process,
    /// The container's first process.
    pub(crate) target: BorrowedFd<'a>,
    /// `CLONE_NEW*` of what is joined.
    pub(crate) namespaces: u64,
    pub(crate) tty: Option<Tty>,
    pub(crate) filter: Option<&'a Filter>,
    /// CPUs before and after it is in its cgroups.
    pub(crate) affinity: (Option<CpuSet>, Option<CpuSet>),
    pub(crate) linux: Option<&'a Linux>,
    pub(crate) manner: Manner<'a>,
}

/// Goes all the way. Never returns.
pub(crate) fn run(plan: &JoinPlan<'_>, stdio: Stdio, conn: &Conn) -> ! {
    let way = || match join(plan, stdio, conn) {
        Ok(finish) => finish.exec(conn),
        Err(failure) => failure,
    };
    // Nothing may unwind into the shim's frames: this is another process.
    let failure = catch_unwind(AssertUnwindSafe(way))
        .unwrap_or_else(|_| Failure::plain(Step::Lost, "panic in the starting process"));
    let _ = conn.send(&FromChild::from(failure), &[]);
    sys::process::exit_now(1)
}

fn bind_to(cpus: Option<&CpuSet>) -> Result<()> {
    let Some(cpus) = cpus else { return Ok(()) };
    sched_setaffinity(None, cpus).context(Step::Limit, "setting process affinity")
}

fn join<'a>(plan: &JoinPlan<'a>, stdio: Stdio, conn: &Conn) -> Result<finish::Finish<'a>> {
    detach()?;
    bind_to(plan.affinity.0.as_ref())?;
    cgroup_step(plan.entry.enter())?;
    bind_to(plan.affinity.1.as_ref())?;
    wait_for_go(conn)?;
    if !plan.manner.no_new_keyring {
        join_keyring(plan.id);
    }
    let kinds = u32::try_from(plan.namespaces).unwrap_or(0);
    move_into_thread_name_spaces(plan.target, ThreadNameSpaceType::from_bits_retain(kinds))
        .context(Step::Namespace, "failed to setns into the container's namespaces")?;
    if plan.namespaces & flags::NEWUSER != 0 {
        identity::become_root()?;
    }
    kernel::schedule(plan.process)?;
    kernel::domain(plan.linux)?;
    let console = match plan.tty {
        Some(tty) => Some(console::open_running(tty.size, conn)?),
        None => None,
    };
    let own = console.iter().map(|c| c.as_raw_fd()).chain(plan.manner.preserved());
    let keep: Vec<RawFd> = stdio.fds().chain(own).collect();
    fork_inside(conn, &keep)?;
    let root = rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context(Step::Rootfs, "open /")?;
    let labelled = !plan.process.apparmor_profile.is_empty() || !plan.process.selinux_label.is_empty();
    let proc = labelled.then(private_proc).transpose()?;
    let last = finish::Last { filter: plan.filter.map(Cow::Borrowed), manner: plan.manner, hooks: None };
    finish::Finish::new(plan.process, &[], last, stdio, console, proc.as_ref(), &Tree::new(root))
}
