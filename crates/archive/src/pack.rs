//! A tree as a tar stream: `export`, `cp` out of a container, the layer of a `commit`.
//!
//! Works on handles: a name is opened without following a link, and everything about it is read from the handle.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor, openat, readlinkat, statat,
};
use rustix::io::Errno;

use crate::apply::Whiteouts;
use crate::entry::{Entry, Kind, Time};
use crate::tree::open_dir;
use crate::write::Writer;
use crate::{Error, Result};

/// Deeper trees are refused: each level holds a descriptor.
const MAX_DEPTH: usize = 512;

/// Writes trees into an archive.
#[derive(Debug)]
pub struct Packer<W> {
    writer: Writer<W>,
    whiteouts: Whiteouts,
    /// Files with several names: where the first one is in the archive.
    seen: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packer<W> {
    /// Starts an archive. With [`Whiteouts::Overlay`], overlayfs' marks become whiteouts (the tree is a layer).
    pub fn new(output: W, whiteouts: Whiteouts) -> Self {
        Self { writer: Writer::new(output), whiteouts, seen: HashMap::new() }
    }

    /// Adds `name` in `dir`, whatever it is, with all below it, as `path` in the archive.
    ///
    /// # Errors
    /// The file system's and the output's. What vanishes meanwhile is left out.
    pub fn add(&mut self, dir: impl AsFd, name: &[u8], path: &[u8]) -> Result<()> {
        self.node(dir.as_fd(), name, path, 0)
    }

    /// Adds everything in `dir`, names starting with `prefix` (empty, or ending in a slash).
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_contents(&mut self, dir: OwnedFd, prefix: &[u8]) -> Result<()> {
        if self.whiteouts == Whiteouts::Overlay && is_opaque(&dir) {
            self.opaque(prefix)?;
        }
        self.contents(dir, prefix, 0)
    }

    /// Ends the archive; gives the output back.
    ///
    /// # Errors
    /// If the output fails.
    pub fn finish(self) -> Result<W> {
        self.writer.finish()
    }

    fn contents(&mut self, dir: OwnedFd, prefix: &[u8], depth: usize) -> Result<()> {
        let fail = |source| error("read", prefix, source);
        let mut names: Vec<CString> = Vec::new();
        for entry in Dir::read_from(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort_unstable();
        for name in names {
            let name = name.to_bytes();
            self.node(dir.as_fd(), name, &[prefix, name].concat(), depth)?;
        }
        Ok(())
    }

    fn node(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8], depth: usize) -> Result<()> {
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| error("stat", path, e))?,
        };
        let result = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.directory(dir, name, path, depth),
            FileType::RegularFile => return self.file(dir, name, path),
            FileType::Symlink => {
                let mut entry = entry(path, Kind::Symlink, &stat);
                entry.link = match readlinkat(dir, name, Vec::new()) {
                    Err(Errno::NOENT) => return Ok(()),
                    other => other.map_err(|e| error("read link", path, e))?.into_bytes(),
                };
                entry
            }
            FileType::CharacterDevice if stat.st_rdev == 0 && self.whiteouts == Whiteouts::Overlay => {
                let at = path.len() - name.len();
                let mut entry = entry(path, Kind::Regular, &stat);
                entry.path = [&path[..at], b".wh.", name].concat();
                entry.size = 0;
                entry
            }
            FileType::CharacterDevice => {
                let kind = Kind::Char { major: major(stat.st_rdev), minor: minor(stat.st_rdev) };
                entry(path, kind, &stat)
            }
            FileType::BlockDevice => {
                let kind = Kind::Block { major: major(stat.st_rdev), minor: minor(stat.st_rdev) };
                entry(path, kind, &stat)
            }
            FileType::Fifo => entry(path, Kind::Fifo, &stat),
            // Sockets have no place in an archive.
            _ => return Ok(()),
        };
        self.writer.entry(&result, io::empty())
    }

    fn directory(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8], depth: usize) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(Error::Budget { what: "path components", limit: MAX_DEPTH as u64 });
        }
        let fd = match open_dir(dir, name) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| error("open", path, e))?,
        };
        let stat = fstat(&fd).map_err(|e| error("stat", path, e))?;
        let prefix = [path, b"/"].concat();
        let mut entry = entry(&prefix, Kind::Directory, &stat);
        entry.xattrs = xattrs(&fd);
        self.writer.entry(&entry, io::empty())?;
        if self.whiteouts == Whiteouts::Overlay && is_opaque(&fd) {
            self.opaque(&prefix)?;
        }
        self.contents(fd, &prefix, depth + 1)
    }

    fn opaque(&mut self, prefix: &[u8]) -> Result<()> {
        let entry = Entry::new([prefix, b".wh..wh..opq"].concat(), Kind::Regular, 0o644);
        self.writer.entry(&entry, io::empty())
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<()> {
        // Not blocking: what was a file a moment ago may be a pipe now.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match openat(dir, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| error("open", path, e))?,
        };
        let stat = fstat(&fd).map_err(|e| error("stat", path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let mut entry = entry(path, Kind::Regular, &stat);
        // With every name of the file: Docker sets the owner for each of them, which takes the capabilities away.
        entry.xattrs = xattrs(&fd);
        if stat.st_nlink > 1
            && let Some(first) = self.seen.get(&(stat.st_dev, stat.st_ino))
        {
            entry.kind = Kind::HardLink;
            entry.link.clone_from(first);
            return self.writer.entry(&entry, io::empty());
        }
        if stat.st_nlink > 1 {
            self.seen.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
        // A file that shrinks while it is read is filled up: its size is in the header already.
        let data = File::from(fd).chain(io::repeat(0));
        self.writer.entry(&entry, data)
    }
}

fn entry(path: &[u8], kind: Kind, stat: &Stat) -> Entry {
    let mut e = Entry::new(path, kind, stat.st_mode & 0o7777);
    (e.uid, e.gid) = (stat.st_uid, stat.st_gid);
    e.mtime = Time { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
    e
}

fn is_opaque(dir: impl AsFd) -> bool {
    let mut value = [0u8; 1];
    matches!(fgetxattr(dir, "trusted.overlay.opaque", value.as_mut_slice()), Ok(1)) && value[0] == b'y'
}

/// The attributes that travel: file capabilities and what users set.
fn xattrs(fd: impl AsFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let fd = fd.as_fd();
    // Most files have none; a file system without attributes says so.
    let mut names = match flistxattr(fd, [0u8; 0].as_mut_slice()) {
        Ok(len) if len > 0 => vec![0u8; len],
        _ => return Vec::new(),
    };
    let Ok(len) = flistxattr(fd, names.as_mut_slice()) else { return Vec::new() };
    let wanted =
        |n: &&[u8]| *n == b"security.capability" || (n.starts_with(b"user.") && !n.starts_with(b"user.overlay."));
    let mut out = Vec::new();
    for name in names[..len].split(|b| *b == 0).filter(wanted) {
        let mut value = vec![0u8; 64 << 10];
        if let Ok(n) = fgetxattr(fd, name, value.as_mut_slice()) {
            value.truncate(n);
            out.push((name.to_vec(), value));
        }
    }
    out
}

fn error(op: &'static str, path: &[u8], source: Errno) -> Error {
    Error::Fs { op, path: String::from_utf8_lossy(path).into_owned(), source }
}
