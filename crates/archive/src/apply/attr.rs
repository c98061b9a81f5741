//! Attributes: extended ones, times, and overlayfs' marks (kernel, Documentation/filesystems/overlayfs.rst).

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{Timespec, Timestamps, XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::{Errno, Result};

use crate::entry::Time;

const OPAQUE: &str = "trusted.overlay.opaque";

/// Hides what the layers below have in this directory.
pub(super) fn set_opaque(dir: impl AsFd) -> Result<()> {
    fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty())
}

/// Whether [`set_opaque`] was done.
pub(super) fn is_opaque(dir: impl AsFd) -> bool {
    let mut value = [0u8; 1];
    matches!(fgetxattr(dir, OPAQUE, value.as_mut_slice()), Ok(1)) && value[0] == b'y'
}

/// Names that a layer may not set: they would steer overlayfs itself.
fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Sets an entry's attributes on an open file or directory.
pub(super) fn set_xattrs(fd: impl AsFd, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    for (name, value) in xattrs.iter().filter(|(name, _)| !is_overlay(name)) {
        forgive(name, fsetxattr(fd.as_fd(), name.as_slice(), value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// Sets an entry's attributes on what cannot be opened (links, devices), through its `O_PATH` handle.
pub(super) fn set_xattrs_path(fd: impl AsFd, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    if xattrs.is_empty() {
        return Ok(());
    }
    // The kernel's own link to the handle: no name of the tree is resolved again.
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    for (name, value) in xattrs.iter().filter(|(name, _)| !is_overlay(name)) {
        forgive(name, rustix::fs::setxattr(path.as_str(), name.as_slice(), value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// What file system or object cannot carry is left out, as other engines do; only real failures count.
fn forgive(name: &[u8], result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::NOTSUP) => Ok(()),
        Err(Errno::PERM) if name.starts_with(b"user.") => Ok(()),
        other => other,
    }
}

/// Copies all attributes but overlayfs' own.
pub(super) fn copy_xattrs(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let mut names = vec![0u8; 64 << 10];
    let len = match flistxattr(from.as_fd(), names.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(e) => return Err(e),
    };
    let mut value = vec![0u8; 64 << 10];
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty() && !is_overlay(n)) {
        let n = fgetxattr(from.as_fd(), name, value.as_mut_slice())?;
        forgive(name, fsetxattr(to.as_fd(), name, &value[..n], XattrFlags::empty()))?;
    }
    Ok(())
}

/// Times outside of what file systems hold become the epoch.
pub(super) fn timestamps(t: Time) -> Timestamps {
    let ok = (0..=0x3_7fff_ffff).contains(&t.secs) || (-0x8000_0000..0).contains(&t.secs);
    let t = if ok { Timespec { tv_sec: t.secs, tv_nsec: t.nanos.into() } } else { Timespec { tv_sec: 0, tv_nsec: 0 } };
    Timestamps { last_access: t, last_modification: t }
}
