//! One digest for a whole tree of files.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use content::Hasher;
use id::Digest;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, openat, readlinkat, statat};
use rustix::io::{Errno, read};

use crate::{Error, Result};

/// Deeper directories do not come out of layers (see `archive::ApplyOptions::depth`).
const MAX_DEPTH: usize = 600;

/// The digest of names, kinds, modes, owners, times, links, extended attributes and contents below `root`.
pub(super) fn digest(root: OwnedFd) -> Result<Digest> {
    let mut hasher = Hasher::default();
    let mut path = Vec::new();
    xattrs(root.as_fd(), &mut hasher)
        .and_then(|()| walk(root, &mut path, 0, &mut HashMap::new(), &mut hasher))
        .map_err(|e| Error::Io {
            op: "read",
            path: String::from_utf8_lossy(&path).into_owned().into(),
            source: e.into(),
        })?;
    Ok(hasher.finish())
}

fn walk(
    dir: OwnedFd,
    path: &mut Vec<u8>,
    depth: usize,
    linked: &mut HashMap<u64, usize>,
    hasher: &mut Hasher,
) -> rustix::io::Result<()> {
    let mut names: Vec<CString> = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let length = path.len();
        path.push(b'/');
        path.extend_from_slice(name.to_bytes());
        let stat = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        attributes(path, &stat, hasher);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOATIME;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => hasher.update(readlinkat(&dir, &name, Vec::new())?.to_bytes()),
            // A file of many names is read once; which names are one is part of the digest.
            FileType::RegularFile if linked.contains_key(&stat.st_ino) => {
                hasher.update(format!("link {}\0", linked[&stat.st_ino]).as_bytes());
            }
            FileType::RegularFile => {
                if stat.st_nlink > 1 {
                    linked.insert(stat.st_ino, linked.len());
                }
                let file = openat(&dir, &name, flags, Mode::empty())?;
                xattrs(file.as_fd(), hasher)?;
                content(file.as_fd(), hasher)?;
            }
            FileType::Directory => {
                if depth > MAX_DEPTH {
                    return Err(Errno::NAMETOOLONG);
                }
                let sub = openat(&dir, &name, flags | OFlags::DIRECTORY, Mode::empty())?;
                xattrs(sub.as_fd(), hasher)?;
                walk(sub, path, depth + 1, linked, hasher)?;
            }
            _ => {}
        }
        path.truncate(length);
    }
    Ok(())
}

fn attributes(path: &[u8], stat: &Stat, hasher: &mut Hasher) {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let is_dir = kind == FileType::Directory;
    // Directories that have no entry of their own, and whiteouts, are as old as the unpacking.
    let timeless = is_dir || (kind == FileType::CharacterDevice && stat.st_rdev == 0);
    let (seconds, nanos) = if timeless { (0, 0) } else { (stat.st_mtime, stat.st_mtime_nsec) };
    // Sizes of directories, and their links, are the file system's affair.
    let (size, links) = if is_dir { (0, 0) } else { (stat.st_size, u64::from(stat.st_nlink as u32)) };
    hasher.update(path);
    let line = format!(
        "\0{:o} {} {} {size} {links} {} {seconds}.{nanos}\0",
        stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev
    );
    hasher.update(line.as_bytes());
}

fn xattrs(fd: BorrowedFd<'_>, hasher: &mut Hasher) -> rustix::io::Result<()> {
    let mut list = vec![0u8; 64 << 10];
    let n = match flistxattr(fd, list.as_mut_slice()) {
        Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let mut names: Vec<&[u8]> = list[..n].split(|b| *b == 0).filter(|n| !n.is_empty()).collect();
    names.sort_unstable();
    let mut value = vec![0u8; 64 << 10];
    for name in names {
        let n = fgetxattr(fd, name, value.as_mut_slice())?;
        hasher.update(name);
        hasher.update(&(n as u64).to_le_bytes());
        hasher.update(&value[..n]);
    }
    Ok(())
}

fn content(fd: BorrowedFd<'_>, hasher: &mut Hasher) -> rustix::io::Result<()> {
    let mut buf = vec![0u8; 128 << 10];
    loop {
        let n = read(fd, buf.as_mut_slice())?;
        if n == 0 {
            return Ok(());
        }
        hasher.update(&buf[..n]);
    }
}
