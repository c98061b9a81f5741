//! Copies of trees, by handles only: no name of either tree is resolved twice, no link is followed, so neither an image
//! nor a container that writes into the target meanwhile can lead the copy out.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat, futimens, linkat, mkdirat, mknodat, openat, openat2,
    readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::{Errno, Result};

/// Directories within each other that are copied; each needs two descriptors.
const MAX_DEPTH: usize = 400;

/// Copies what is in `from` into `to`, with owners, modes, times, extended attributes, hard links and special files. `to`
/// itself takes over owner, mode, times and attributes of `from`.
///
/// # Errors
/// The first failure; what was copied stays. `EEXIST` if `to` has one of the names, `ENAMETOOLONG` for a tree that is
/// deeper than 400 directories.
pub fn copy_contents(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut copier = Copier { top: to.as_fd(), links: HashMap::new() };
    copier.directory(from, to, &mut Vec::new())
}

struct Copier<'a> {
    top: BorrowedFd<'a>,
    /// Files with several names: device and inode → path of the first copy below `top`.
    links: HashMap<(u64, u64), CString>,
}

impl Copier<'_> {
    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, path: &mut Vec<CString>) -> Result<()> {
        if path.len() >= MAX_DEPTH {
            return Err(Errno::NAMETOOLONG);
        }
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entry(from, to, name, path)?;
        }
        dress(from, to, &fstat(from)?)
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, path: &mut Vec<CString>) -> Result<()> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let several = stat.st_nlink > 1 && kind != FileType::Directory;
        let key = (stat.st_dev, stat.st_ino);
        if several && let Some(first) = self.links.get(&key) {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let first = openat2(self.top, first, flags, Mode::empty(), resolve)?;
            return linkat(first, c"", to, name, AtFlags::EMPTY_PATH);
        }
        match kind {
            FileType::Directory => {
                let inner = archive::open_dir(from, name)?;
                mkdirat(to, name, Mode::RWXU)?;
                let made = archive::open_dir(to, name)?;
                path.push(name.to_owned());
                let copied = self.directory(&inner, &made, path);
                path.pop();
                copied?;
            }
            FileType::RegularFile => file(from, to, name)?,
            FileType::Symlink => {
                let target = readlinkat(from, name, Vec::new())?;
                symlinkat(&target, to, name)?;
                dress_name(to, name, &stat)?;
            }
            FileType::Unknown => return Err(Errno::INVAL),
            special => {
                mknodat(to, name, special, Mode::from_raw_mode(stat.st_mode), stat.st_rdev)?;
                dress_name(to, name, &stat)?;
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(to, name, flags, Mode::empty())?;
                if FileType::from_raw_mode(fstat(&made)?.st_mode) == special {
                    // The umask took part in mknod(2).
                    let path = format!("/proc/self/fd/{}", made.as_raw_fd());
                    rustix::fs::chmod(path.as_str(), Mode::from_raw_mode(stat.st_mode & 0o7777))?;
                }
            }
        }
        if several {
            let mut whole = Vec::new();
            for part in path.iter().map(CString::as_c_str).chain([name]) {
                if !whole.is_empty() {
                    whole.push(b'/');
                }
                whole.extend_from_slice(part.to_bytes());
            }
            self.links.insert(key, CString::new(whole).map_err(|_| Errno::INVAL)?);
        }
        Ok(())
    }
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<()> {
    // Without waiting, should it have become a pipe meanwhile.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = openat(from, name, flags, Mode::empty())?;
    let stat = fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut source = File::from(source);
    let mut made = File::from(made);
    // copy_file_range(2) where it can: shares blocks on file systems that know how.
    std::io::copy(&mut source, &mut made).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    dress(&source.into(), &made.into(), &stat)
}

/// Owner, mode, attributes and times of something that is open; in this order, for a change of owner takes bits away and
/// any change the times.
fn dress(from: &OwnedFd, to: &OwnedFd, stat: &Stat) -> Result<()> {
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    xattrs(from, to)?;
    futimens(to, &times(stat))
}

/// Owner and times of a name that cannot be opened.
fn dress_name(to: &OwnedFd, name: &CStr, stat: &Stat) -> Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    chownat(to, name, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)), flags)?;
    utimensat(to, name, &times(stat), flags)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |secs, nanos: u64| Timespec { tv_sec: secs, tv_nsec: i64::try_from(nanos).unwrap_or(0) };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// What the target's file system cannot carry is left out, and what steers overlayfs.
fn xattrs(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut names = vec![0_u8; 64 << 10];
    let len = match flistxattr(from, names.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(e) => return Err(e),
    };
    if len == 0 {
        return Ok(());
    }
    let mut value = vec![0_u8; 64 << 10];
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let n = match fgetxattr(from, name, value.as_mut_slice()) {
            Ok(n) => n,
            Err(Errno::NODATA) => continue,
            Err(e) => return Err(e),
        };
        match fsetxattr(to, name, &value[..n], XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn a_tree_is_copied_as_it_is_and_links_stay_links() {
        let tmp = tempfile::tempdir().expect("directory");
        let at = |name: &str| tmp.path().join(name);
        std::fs::create_dir_all(at("from/d/e")).expect("directories");
        std::fs::create_dir(at("to")).expect("directory");
        std::fs::write(at("canary"), "outside").expect("file");
        std::fs::write(at("from/d/f"), "text").expect("file");
        std::fs::set_permissions(at("from/d/f"), std::fs::Permissions::from_mode(0o4751)).expect("mode");
        std::fs::hard_link(at("from/d/f"), at("from/d/e/g")).expect("link");
        symlink("../../canary", at("from/d/out")).expect("link");
        mknodat(CWD, at("from/p"), FileType::Fifo, Mode::RWXU, 0).expect("pipe");
        std::fs::set_permissions(at("from"), std::fs::Permissions::from_mode(0o1777)).expect("mode");
        let open = |name: &str| archive::open_dir(CWD, at(name)).expect("opens");
        copy_contents(&open("from"), &open("to")).expect("copies");

        let meta = |name: &str| std::fs::symlink_metadata(at(name)).expect("is there");
        assert_eq!(meta("to").mode() & 0o7777, 0o1777);
        assert_eq!(std::fs::read(at("to/d/f")).expect("reads"), b"text");
        assert_eq!(meta("to/d/f").mode() & 0o7777, 0o4751);
        assert_eq!(meta("to/d/f").mtime_nsec(), meta("from/d/f").mtime_nsec());
        assert_eq!(meta("to/d/f").ino(), meta("to/d/e/g").ino(), "one file with two names");
        assert_eq!(std::fs::read_link(at("to/d/out")).expect("link"), std::path::Path::new("../../canary"));
        assert_eq!(meta("to/p").mode() & 0o7777, 0o700);
        assert_eq!(copy_contents(&open("from"), &open("to")), Err(Errno::EXIST), "never over something");
        assert_eq!(std::fs::read(at("canary")).expect("reads"), b"outside");
    }
}
