//! mount_setattr(2), which rustix lacks.

use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::io::Errno;

use crate::check;

/// Attributes (`MOUNT_ATTR_*`, linux/mount.h).
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-id bits are ignored.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes cannot be opened.
    pub const NODEV: u64 = 0x4;
    /// Nothing can be executed.
    pub const NOEXEC: u64 = 0x8;
    /// The access time fields together.
    pub const ATIME_MASK: u64 = 0x70;
    /// `relatime`.
    pub const RELATIME: u64 = 0;
    /// `noatime`.
    pub const NOATIME: u64 = 0x10;
    /// `strictatime`.
    pub const STRICTATIME: u64 = 0x20;
    /// Directories' access times are not kept.
    pub const NODIRATIME: u64 = 0x80;
    /// Ids are mapped by the user namespace given.
    pub const IDMAP: u64 = 0x0010_0000;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// Propagation types (mount_namespaces(7)).
pub mod propagation {
    /// Shared.
    pub const SHARED: u64 = libc::MS_SHARED;
    /// Slave.
    pub const SLAVE: u64 = libc::MS_SLAVE;
    /// Private.
    pub const PRIVATE: u64 = libc::MS_PRIVATE;
    /// Unbindable.
    pub const UNBINDABLE: u64 = libc::MS_UNBINDABLE;
}

/// What [`mount_setattr`] changes (`struct mount_attr`).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountAttr {
    /// Bits of [`attr`] to set.
    pub set: u64,
    /// Bits of [`attr`] to clear.
    pub clear: u64,
    /// One of [`propagation`], or 0.
    pub propagation: u64,
    /// User namespace of [`attr::IDMAP`].
    pub userns_fd: u64,
}

/// Changes the mount that `path` below `dir` (or `dir` itself when `path` is empty) lies on; with `recursive` also all
/// mounts below it.
///
/// # Errors
/// mount_setattr(2).
pub fn mount_setattr(dir: BorrowedFd<'_>, path: &CStr, recursive: bool, attributes: &MountAttr) -> Result<(), Errno> {
    let mut flags = libc::AT_SYMLINK_NOFOLLOW;
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: path and structure outlive the call, the size is the structure's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    check(result).map(|_| ())
}
