//! `tmpcopyup`: what lies in a directory of the container goes into the tmpfs that is about to hide it.
//!
//! Everything is reached by descriptors and nothing is followed, so that links in the image lead nowhere.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fgetxattr, flistxattr,
    fsetxattr,
};
use rustix::io::Errno;

type Outcome<T> = Result<T, Errno>;

/// Deepest tree that is copied; each level holds two descriptors.
const DEPTH: usize = 200;
/// Largest extended attribute (XATTR_SIZE_MAX).
const ATTRIBUTE: usize = 65_536;

/// Copies the content of one directory (a path descriptor will do) into another, and the directory's own owner and mode.
pub(crate) fn copy_up(from: BorrowedFd<'_>, to: BorrowedFd<'_>, keep_mode: bool) -> Outcome<()> {
    let (from, to) = (open_dir(from, c".")?, open_dir(to, c".")?);
    let stat = rustix::fs::fstat(&from)?;
    copy(&from, &to, DEPTH)?;
    own(&to, &stat)?;
    if keep_mode {
        rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    Ok(())
}

fn open_dir(at: BorrowedFd<'_>, name: &CStr) -> Outcome<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn copy(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Outcome<()> {
    if depth == 0 {
        return Err(Errno::NAMETOOLONG);
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            one(from, to, name, depth)?;
        }
    }
    Ok(())
}

fn one(from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: usize) -> Outcome<()> {
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let source = open_dir(from.as_fd(), name)?;
            rustix::fs::mkdirat(to, name, Mode::RWXU)?;
            let made = open_dir(to.as_fd(), name)?;
            copy(&source, &made, depth - 1)?;
            dress(&source, &made, &stat)
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
            let stat = rustix::fs::fstat(&source)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                // Somebody is exchanging files under us.
                return Err(Errno::STALE);
            }
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
            while rustix::fs::sendfile(&made, &source, None, 1 << 30)? > 0 {}
            dress(&source, &made, &stat)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(&target, to, name)?;
            own_at(to, name, &stat)
        }
        // A socket without its server is nothing.
        FileType::Socket => Ok(()),
        kind => match rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev) {
            // In a user namespace there are no devices.
            Err(Errno::PERM) => Ok(()),
            other => other.and_then(|()| own_at(to, name, &stat)),
        },
    }
}

fn own_at(to: &OwnedFd, name: &CStr, stat: &Stat) -> Outcome<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    unmapped(rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))
}

fn own(file: &OwnedFd, stat: &Stat) -> Outcome<()> {
    unmapped(rustix::fs::fchown(file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid))))
}

/// An owner that has no number in the user namespace is left as it is.
fn unmapped(result: Outcome<()>) -> Outcome<()> {
    match result {
        Err(Errno::INVAL | Errno::PERM) => Ok(()),
        other => other,
    }
}

/// Owner, mode, extended attributes, times.
fn dress(from: &OwnedFd, to: &OwnedFd, stat: &Stat) -> Outcome<()> {
    own(to, stat)?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    attributes(from, to);
    let time =
        |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    rustix::fs::futimens(to, &times)
}

/// Extended attributes, as far as a tmpfs takes them.
fn attributes(from: &OwnedFd, to: &OwnedFd) {
    let mut names = vec![0_u8; ATTRIBUTE];
    let Ok(length) = flistxattr(from, &mut names) else { return };
    let mut value = vec![0_u8; ATTRIBUTE];
    for name in names.get(..length).unwrap_or_default().split_inclusive(|b| *b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if let Ok(length) = fgetxattr(from, name, &mut value) {
            let _ = fsetxattr(to, name, value.get(..length).unwrap_or_default(), XattrFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_tree_is_the_same_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub/deeper")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "x".repeat(100_000)).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let open =
            |path: &std::path::Path| rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        copy_up(open(&from).as_fd(), open(&to).as_fd(), true).unwrap();
        assert_eq!(fs::read(to.join("sub/file")).unwrap().len(), 100_000);
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        assert!(to.join("sub/deeper").is_dir());
        for name in ["sub", "sub/file", "pipe"] {
            let (a, b) = (fs::metadata(from.join(name)).unwrap(), fs::metadata(to.join(name)).unwrap());
            assert_eq!((a.mode(), a.uid()), (b.mode(), b.uid()), "{name}");
            if name != "pipe" {
                assert_eq!((a.mtime(), a.mtime_nsec()), (b.mtime(), b.mtime_nsec()), "{name}");
            }
        }
    }
}
