//! Ids of user namespaces: the maps of a new one, and namespaces that only carry a map for a mount.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use oci::runtime::IdMapping;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use shim_proto::{Conn, StartError, Step};
use sys::process::{Cloned, clone3_of_single_thread, flags};

use crate::channel::{FromChild, ToChild};
use crate::failure::{Context as _, Failure, Result};
use crate::hooks;
use crate::starting::{KILL, reap};

/// Where the set-user-id helpers of shadow lie.
const HELPER_DIRS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"];

/// User and group ids of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Maps<'a> {
    pub(crate) uids: &'a [IdMapping],
    pub(crate) gids: &'a [IdMapping],
}

impl Maps<'_> {
    /// Gives a process its maps. Without the privilege: the caller's own id alone is mapped by itself, more than that by
    /// newuidmap(1) and newgidmap(1), which know from /etc/subuid what the user may have.
    pub(crate) fn write(&self, pid: i32) -> Result<()> {
        let privileged = rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID));
        if privileged {
            write_map(pid, "uid_map", self.uids)?;
            return write_map(pid, "gid_map", self.gids);
        }
        if only(self.uids, rustix::process::geteuid().as_raw()) {
            write_map(pid, "uid_map", self.uids)?;
        } else {
            helper("newuidmap", pid, self.uids)?;
        }
        if only(self.gids, rustix::process::getegid().as_raw()) {
            // Who could drop a group would get what is forbidden to that group.
            write_proc(pid, "setgroups", "deny").context(Step::Namespace, "failed to write setgroups")?;
            write_map(pid, "gid_map", self.gids)
        } else {
            helper("newgidmap", pid, self.gids)
        }
    }

    /// A user namespace that nobody lives in.
    pub(crate) fn namespace(&self) -> Result<OwnedFd> {
        let text = "user namespace of an id-mapped mount";
        let (pid, pidfd) = match clone3_of_single_thread(flags::NEWUSER, None).context(Step::Namespace, text)? {
            Cloned::Parent { pid, pidfd } => (pid, pidfd),
            Cloned::Child => loop {
                let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
                let _ = rustix::event::poll(&mut [], None);
            },
        };
        let open = || {
            let path = format!("/proc/{pid}/ns/user");
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context(Step::Namespace, text)
        };
        let made = self.write(pid).and_then(|()| open());
        let _ = sys::signal::pidfd_kill(pidfd.as_fd(), KILL);
        reap(pid);
        made
    }
}

/// Moves the calling process, which has one thread, into a new user namespace with these maps and a new mount namespace, as
/// its root user: what somebody without privileges needs before anything can be mounted. A fork that stays behind writes
/// the maps.
///
/// # Errors
/// unshare(2), or maps that the caller may not have.
pub fn enter_user_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> std::result::Result<(), StartError> {
    enter(Maps { uids, gids }).map_err(Failure::of_preparation)
}

fn enter(maps: Maps<'_>) -> Result<()> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let (ours, theirs) = Conn::pair().context(Step::Prepare, "socketpair")?;
    let helper = match clone3_of_single_thread(0, None).context(Step::Namespace, "fork")? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => {
            drop(ours);
            // The other side closes without a word when it gives up.
            if matches!(theirs.recv::<ToChild>(), Ok(Some(_)))
                && let Err(failure) = maps.write(own)
            {
                let _ = theirs.send(&FromChild::from(failure), &[]);
            }
            sys::process::exit_now(0)
        }
    };
    drop(theirs);
    let unshared =
        sys::process::unshare(flags::NEWUSER | flags::NEWNS).context(Step::Namespace, "unshare user namespace");
    let mapped = unshared.and_then(|()| {
        let lost = |error: shim_proto::ConnError| Failure::plain(Step::Lost, error.to_string());
        ours.send(&ToChild::Go, &[]).map_err(lost)?;
        match ours.recv::<FromChild>().map_err(lost)? {
            Some((FromChild::Failed { step, errno, path, text }, _)) => Err(Failure { step, errno, path, text }),
            _ => Ok(()),
        }
    });
    drop(ours);
    reap(helper);
    mapped?;
    crate::child::identity::become_root()
}

fn only(map: &[IdMapping], id: u32) -> bool {
    matches!(map, [IdMapping { host_id, size: 1, .. }] if *host_id == id)
}

fn write_map(pid: i32, file: &str, map: &[IdMapping]) -> Result<()> {
    let text: String = map.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect();
    write_proc(pid, file, &text).with_context(Step::Namespace, || format!("failed to write {file}"))
}

/// Writes a file of a process in procfs.
pub(crate) fn write_proc(pid: i32, file: &str, content: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/{file}"))?;
    file.write_all(content.as_bytes())
}

fn helper(name: &str, pid: i32, map: &[IdMapping]) -> Result<()> {
    let found = HELPER_DIRS.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file());
    let Some(path) = found else {
        let text = format!("{name} is needed to map more than the user's own id, and is not there");
        return Err(Failure { errno: Errno::NOENT.raw_os_error(), ..Failure::plain(Step::Namespace, text) });
    };
    let numbers = map.iter().flat_map(|m| [m.container_id, m.host_id, m.size]).map(|n| n.to_string());
    let args: Vec<String> = [name.to_owned(), pid.to_string()].into_iter().chain(numbers).collect();
    hooks::program(&path.to_string_lossy(), &args).map_err(|mut failure| {
        failure.step = Step::Namespace;
        failure.text = format!("{name} failed: {}", failure.text);
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_id() {
        let one = |host_id, size| IdMapping { container_id: 0, host_id, size };
        assert!(only(&[one(7, 1)], 7));
        assert!(!only(&[one(7, 2)], 7) && !only(&[one(8, 1)], 7) && !only(&[one(7, 1), one(9, 1)], 7) && !only(&[], 7));
    }
}
