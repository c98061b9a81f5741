//! Kernel parameters, names, scheduling.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci::runtime::{Linux, Process, Scheduler, Spec};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use shim_proto::Step;
use sys::process::flags;
use sys::schedule::{SchedAttr, ioprio_set, personality, sched_setattr, set_mempolicy};

use crate::failure::{Context as _, Failure, Result};
use crate::features::MEMORY_MODES;
use crate::validate::dotted;

/// Host and domain name.
pub(crate) fn names(spec: &Spec) -> Result<()> {
    if !spec.hostname.is_empty() {
        rustix::system::sethostname(spec.hostname.as_bytes()).context(Step::Namespace, "sethostname")?;
    }
    if !spec.domainname.is_empty() {
        rustix::system::setdomainname(spec.domainname.as_bytes()).context(Step::Namespace, "setdomainname")?;
    }
    Ok(())
}

/// Opens a file of procfs for writing, below a procfs that is known to be one, following nothing.
pub(crate) fn open_proc(proc: BorrowedFd<'_>, path: &Path) -> std::result::Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Writes the parameters of the container's namespaces.
pub(crate) fn sysctls(proc: BorrowedFd<'_>, linux: Option<&Linux>) -> Result<()> {
    let Some(linux) = linux else { return Ok(()) };
    for (key, value) in &linux.sysctl {
        let parts = dotted(key);
        let parts = parts.split('.').map(|part| part.replace('/', "."));
        let path: PathBuf = std::iter::once("sys".to_owned()).chain(parts).collect();
        let shown = format!("/proc/{}", path.display());
        let failed = |what: String| {
            let shown = shown.clone();
            move |errno| Failure::new(Step::Sysctl, what, errno).at(shown)
        };
        let file = open_proc(proc, &path).map_err(failed(format!("open sysctl {key} file: open {shown}")))?;
        rustix::io::write(&file, value.as_bytes())
            .map_err(failed(format!("failed to write sysctl {key} = {value}: write {shown}")))?;
    }
    Ok(())
}

/// Makes a time namespace, sets its clocks and goes in. /proc is the host's still, and this process root on the host.
pub(crate) fn new_time(linux: Option<&Linux>) -> Result<()> {
    let failed = |what: &'static str| move |errno| Failure::new(Step::Namespace, what, errno);
    sys::process::unshare(flags::NEWTIME).map_err(failed("unshare time namespace"))?;
    for (clock, offset) in linux.map(|l| &l.time_offsets).into_iter().flatten() {
        let line = format!("{clock} {} {}", offset.secs.unwrap_or(0), offset.nanosecs.unwrap_or(0));
        let file = rustix::fs::open("/proc/self/timens_offsets", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        file.and_then(|file| rustix::io::write(&file, line.as_bytes()))
            .map_err(failed("failed to update /proc/self/timens_offsets"))?;
    }
    // Only children are in it so far, and from Linux 6.3 on the program after execve.
    let own = rustix::fs::open("/proc/self/ns/time_for_children", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    own.and_then(|own| move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Time)))
        .map_err(failed("failed to setns into time namespace"))
}

/// Scheduling and I/O priority.
pub(crate) fn schedule(process: &Process) -> Result<()> {
    if let Some(scheduler) = &process.scheduler {
        sched_setattr(&attributes(scheduler)?).context(Step::Limit, "error setting scheduler")?;
    }
    if let Some(priority) = &process.io_priority {
        let class = match priority.class.as_str() {
            "IOPRIO_CLASS_RT" => 1,
            "IOPRIO_CLASS_BE" | "" => 2,
            "IOPRIO_CLASS_IDLE" => 3,
            other => return Err(Failure::plain(Step::Plan, format!("invalid io priority class: {other}"))),
        };
        if !(0..=7).contains(&priority.priority) {
            return Err(Failure::plain(Step::Plan, format!("invalid ioPriority.Priority: {}", priority.priority)));
        }
        ioprio_set(class, priority.priority).context(Step::Limit, "failed to set io priority")?;
    }
    Ok(())
}

/// Personality and memory policy, which hold for all processes of a container.
pub(crate) fn domain(linux: Option<&Linux>) -> Result<()> {
    let Some(linux) = linux else { return Ok(()) };
    if let Some(domain) = &linux.personality {
        let persona = match domain.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => return Err(Failure::plain(Step::Plan, format!("invalid personality domain: {other}"))),
        };
        personality(persona).context(Step::Limit, "set personality")?;
    }
    if let Some(policy) = &linux.memory_policy {
        let mode = memory_mode(&policy.mode, &policy.flags)?;
        set_mempolicy(mode, &node_mask(&policy.nodes)?).context(Step::Limit, "set_mempolicy")?;
    }
    Ok(())
}

fn attributes(scheduler: &Scheduler) -> Result<SchedAttr> {
    const POLICIES: [&str; 7] =
        ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];
    const FLAGS: [&str; 7] = [
        "SCHED_FLAG_RESET_ON_FORK",
        "SCHED_FLAG_RECLAIM",
        "SCHED_FLAG_DL_OVERRUN",
        "SCHED_FLAG_KEEP_POLICY",
        "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN",
        "SCHED_FLAG_UTIL_CLAMP_MAX",
    ];
    let invalid = |what: &str| Failure::plain(Step::Plan, format!("invalid scheduler: {what}"));
    let policy = POLICIES.iter().position(|p| *p == scheduler.policy).ok_or_else(|| invalid(&scheduler.policy))?;
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= 1 << FLAGS.iter().position(|f| f == flag).ok_or_else(|| invalid(flag))?;
    }
    Ok(SchedAttr {
        policy: u32::try_from(policy).unwrap_or(0),
        flags,
        nice: scheduler.nice.unwrap_or(0),
        priority: u32::try_from(scheduler.priority.unwrap_or(0)).map_err(|_| invalid("priority"))?,
        runtime: scheduler.runtime.unwrap_or(0),
        deadline: scheduler.deadline.unwrap_or(0),
        period: scheduler.period.unwrap_or(0),
        ..SchedAttr::default()
    })
}

fn memory_mode(mode: &str, flags: &[String]) -> Result<i32> {
    let invalid = |what: &str| Failure::plain(Step::Plan, format!("invalid memory policy: {what}"));
    let number = MEMORY_MODES.iter().position(|m| *m == mode).ok_or_else(|| invalid(mode))?;
    flags.iter().try_fold(i32::try_from(number).unwrap_or(0), |bits, flag| match flag.as_str() {
        "MPOL_F_NUMA_BALANCING" => Ok(bits | 1 << 13),
        "MPOL_F_RELATIVE_NODES" => Ok(bits | 1 << 14),
        "MPOL_F_STATIC_NODES" => Ok(bits | 1 << 15),
        other => Err(invalid(other)),
    })
}

/// A list as `0-2,5` as a bit mask.
fn node_mask(list: &str) -> Result<Vec<u64>> {
    const MOST: usize = 1024;
    let invalid = || Failure::plain(Step::Plan, format!("invalid memory policy nodes: {list}"));
    let mut mask = Vec::new();
    for part in list.split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let parse = |n: &str| n.trim().parse::<usize>().ok().filter(|n| *n < MOST).ok_or_else(invalid);
        for node in parse(first)?..=parse(last)? {
            if mask.len() <= node / 64 {
                mask.resize(node / 64 + 1, 0);
            }
            if let Some(word) = mask.get_mut(node / 64) {
                *word |= 1_u64 << (node % 64);
            }
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes() {
        assert_eq!(node_mask("0-2,65").unwrap(), [0b111, 0b10]);
        assert!(node_mask("x").is_err() && node_mask("0-100000").is_err());
        assert_eq!(node_mask("").unwrap(), Vec::<u64>::new());
    }
}
