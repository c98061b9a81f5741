//! Descriptors made in other namespaces, by a short-lived fork.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use shim_proto::Conn;
use sys::process::{Cloned, clone3_of_single_thread};

use crate::starting::reap;

/// Process and path of `/proc/<pid>/root/<path>`.
pub(crate) fn parse(path: &Path) -> Option<(Pid, &Path)> {
    let (pid, rest) = path.to_str()?.strip_prefix("/proc/")?.split_once('/')?;
    let pid = pid.parse().ok().and_then(Pid::from_raw)?;
    let inside = Path::new(rest.strip_prefix("root")?);
    inside.is_absolute().then_some((pid, inside))
}

/// Calls `make` in the mount namespace of a process and brings the descriptor back.
pub(crate) fn run(pid: Pid, make: impl FnOnce() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let target = pidfd_open(pid, PidfdFlags::empty())?;
    in_fork(|| {
        move_into_thread_name_spaces(target.as_fd(), ThreadNameSpaceType::MOUNT)?;
        make()
    })
}

/// Calls `make` in a fork and brings the descriptor back.
pub(crate) fn in_fork(make: impl FnOnce() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let (ours, theirs) = Conn::pair().map_err(|_| Errno::MFILE)?;
    match clone3_of_single_thread(0, None)? {
        Cloned::Parent { pid, .. } => {
            drop(theirs);
            let answer = ours.recv::<i32>();
            reap(pid);
            match answer {
                Ok(Some((0, mut fds))) => fds.pop().ok_or(Errno::IO),
                Ok(Some((errno, _))) => Err(Errno::from_raw_os_error(errno)),
                _ => Err(Errno::IO),
            }
        }
        Cloned::Child => {
            let sent = match make() {
                Ok(fd) => theirs.send(&0, &[fd.as_fd()]),
                Err(errno) => theirs.send(&errno.raw_os_error(), &[]),
            };
            sys::process::exit_now(i32::from(sent.is_err()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_processes() {
        let (pid, inside) = parse(Path::new("/proc/12/root/dev/shm")).unwrap();
        assert_eq!((pid.as_raw_nonzero().get(), inside), (12, Path::new("/dev/shm")));
        for other in ["/proc/self/root/x", "/proc/12/cwd/x", "/proc/12/root", "/dev/shm", "/proc"] {
            assert!(parse(Path::new(other)).is_none(), "{other}");
        }
    }
}
