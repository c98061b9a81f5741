//! Unix socket addresses of any length.

use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

/// Longest path that a `sockaddr_un` holds, with its terminating zero.
const SUN_PATH: usize = 108;

/// Calls `f` with an address of `path`; a path too long for a `sockaddr_un` is given as /proc/self/fd/N/name.
pub(crate) fn with<T>(path: &Path, f: impl FnOnce(&SocketAddrUnix) -> Result<T, Errno>) -> Result<T, Errno> {
    if path.as_os_str().len() < SUN_PATH {
        return f(&SocketAddrUnix::new(path)?);
    }
    let (dir, name) = path.parent().zip(path.file_name()).ok_or(Errno::INVAL)?;
    let dir = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
    f(&SocketAddrUnix::new(&short)?)
}
