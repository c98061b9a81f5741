//! This program's own file is out of reach for whoever is started.
//!
//! Until its program runs, a process on its way into a container is this program, and a container can have it run once
//! more (`/proc/self/exe` as its program, or as a script's interpreter): by `/proc/PID/exe` root in there has the host's
//! file (CVE-2019-5736). So commands that start processes first replace themselves: by the same file on a mount of its own,
//! read-only and nowhere attached, or, where mounts are not to be had, by a sealed copy in memory.

use std::fs::File;
use std::io::Seek as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{CWD, MemfdFlags, SealFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use sys::mount::{MountAttr, attr, mount_setattr};
use sys::process::Strings;

use crate::error::{Result, call};

const OWN: &str = "/proc/self/exe";

/// Goes on only as a program that nobody can write; arguments and environment stay.
pub(crate) fn protect() -> Result<()> {
    if is_protected() {
        return Ok(());
    }
    let text = "could not ensure that the runtime's own program cannot be written";
    let program = read_only_mount().or_else(|_| sealed_copy()).map_err(call(text))?;
    let args = Strings::new(std::env::args_os().map(OsStringExt::into_vec)).map_err(call(text))?;
    let env = std::env::vars_os().map(|(name, value)| [name.into_vec(), value.into_vec()].join(&b'='));
    let env = Strings::new(env).map_err(call(text))?;
    Err(call(text)(sys::process::fexecve(program.as_fd(), &args, &env)))
}

/// Whether the file runs from a mount without writing, or is a sealed one.
fn is_protected() -> bool {
    let on_mount = rustix::fs::statvfs(OWN).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
    on_mount
        || File::open(OWN)
            .is_ok_and(|file| rustix::fs::fcntl_get_seals(file).is_ok_and(|s| s.contains(SealFlags::WRITE)))
}

fn read_only_mount() -> std::result::Result<OwnedFd, Errno> {
    let tree = open_tree(CWD, OWN, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    mount_setattr(tree.as_fd(), c"", false, &MountAttr { set: attr::RDONLY, ..MountAttr::default() })?;
    Ok(tree)
}

fn sealed_copy() -> std::result::Result<OwnedFd, Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag and need none.
    let fd = rustix::fs::memfd_create("gantry-shim", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create("gantry-shim", flags))?;
    let mut copy = File::from(fd);
    std::io::copy(&mut File::open(OWN).map_err(errno)?, &mut copy).map_err(errno)?;
    copy.rewind().map_err(errno)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    // A descriptor open for writing cannot be executed.
    Ok(File::open(format!("/proc/self/fd/{}", copy.as_raw_fd())).map_err(errno)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_copy_is_sealed() {
        let copy = sealed_copy().unwrap();
        assert!(rustix::fs::fcntl_get_seals(&copy).unwrap().contains(SealFlags::WRITE));
        let again = File::options().append(true).open(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        assert!(again.and_then(|mut file| file.write_all(b"x")).is_err());
    }
}
