//! Removal of whole trees, by handles only: nothing that a hostile tree holds leads out of it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::{Errno, Result};

/// Directories below this depth are moved up before they are emptied, so that neither stack nor descriptors run out.
const MAX_DEPTH: usize = 48;

/// Opens a directory without following a symbolic link.
///
/// # Errors
/// That of openat(2); `NOTDIR` for anything else than a directory.
pub fn open_dir(dir: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Removes `name` in `dir`, whatever it is. No error if it is not there.
///
/// # Errors
/// The first failure; the rest of the tree stays.
pub fn remove_tree(dir: impl AsFd, name: &CStr) -> Result<()> {
    let dir = dir.as_fd();
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    let mut pending = vec![name.to_owned()];
    let mut moved = 0u64;
    while let Some(name) = pending.pop() {
        match open_dir(dir, &name) {
            Ok(fd) => empty(fd, dir, 0, &mut pending, &mut moved)?,
            Err(Errno::NOENT) => continue,
            Err(e) => return Err(e),
        }
        unlinkat(dir, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Empties a directory; subdirectories that are too deep are moved to `top` and queued.
fn empty(fd: OwnedFd, top: BorrowedFd<'_>, depth: usize, pending: &mut Vec<CString>, moved: &mut u64) -> Result<()> {
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            match unlinkat(&fd, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {}
                Err(e) => return Err(e),
            }
        }
        if depth >= MAX_DEPTH {
            pending.push(move_aside(&fd, name, top, moved)?);
            continue;
        }
        empty(open_dir(&fd, name)?, top, depth + 1, pending, moved)?;
        unlinkat(&fd, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

fn move_aside(dir: &OwnedFd, name: &CStr, top: BorrowedFd<'_>, moved: &mut u64) -> Result<CString> {
    loop {
        *moved += 1;
        let aside = format!(".gantry-reap-{}-{moved}", std::process::id());
        let aside = CString::new(aside).map_err(|_| Errno::INVAL)?;
        match renameat(dir, name, top, &aside) {
            Ok(()) => return Ok(aside),
            // Left by a removal that a crash cut off.
            Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mkdirat, symlinkat};

    #[test]
    fn deep_trees_and_links_go_and_the_outside_stays() {
        let tmp = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(tmp.path().join("outside")).expect("mkdir");
        std::fs::write(tmp.path().join("outside/canary"), "x").expect("write");
        std::fs::create_dir(tmp.path().join("t")).expect("mkdir");
        let mut fd = open_dir(CWD, tmp.path().join("t")).expect("open");
        for _ in 0..2000 {
            mkdirat(&fd, "d", Mode::RWXU).expect("mkdir");
            symlinkat(tmp.path().join("outside"), &fd, "l").expect("symlink");
            fd = open_dir(&fd, "d").expect("open");
        }
        drop(fd);
        let top = open_dir(CWD, tmp.path()).expect("open");
        remove_tree(&top, c"t").expect("removes");
        remove_tree(&top, c"t").expect("nothing there is fine");
        assert!(!tmp.path().join("t").exists());
        assert!(tmp.path().join("outside/canary").exists());
        assert_eq!(std::fs::read_dir(tmp.path()).expect("ls").count(), 1, "nothing was left aside");
    }
}
