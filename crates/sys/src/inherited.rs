//! Descriptors that the parent process left open for us (socket activation, `sd_listen_fds(3)`).

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Duplicates the descriptor with this number, close-on-exec. The original stays open.
///
/// # Errors
/// `EBADF` if there is none.
pub fn duplicate(fd: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC takes plain numbers and touches no memory of ours.
    let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if new < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: `new` was just made by the kernel and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}
