use std::os::fd::OwnedFd;

use archive::LayerStack;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Stat, fgetxattr, statat};
use rustix::io::{Errno, Result as IoResult};

use crate::{Error, Result, Store};

/// Deeper directories are not looked into.
const MAX_DEPTH: usize = 256;

/// What happened to a path of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was there and is another now (`C`, 0).
    Modified,
    /// It was not there (`A`, 1).
    Added,
    /// It is gone (`D`, 2).
    Deleted,
}

/// One line of `docker diff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute path in the container.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

impl Store {
    /// What a read-write layer changes, sorted by path.
    ///
    /// # Errors
    /// [`Error::NoRw`]; what the disk says.
    pub fn changes(&self, name: &str) -> Result<Vec<Change>> {
        let mount = self.rw_mount(name, None)?;
        let open = |p: &std::path::PathBuf| archive::open_dir(CWD, p).map_err(|e| Error::io("open", p)(e.into()));
        let lowers = LayerStack::new(mount.lower.iter().map(open).collect::<Result<_>>()?);
        let mut walk = Walk { lowers, out: Vec::new() };
        walk.dir(open(&mount.upper)?, &mut Vec::new()).map_err(|e| Error::io("read", &mount.upper)(e.into()))?;
        walk.out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(walk.out)
    }
}

struct Walk {
    lowers: LayerStack,
    out: Vec<Change>,
}

impl Walk {
    /// Notes what is changed below `path`; true if anything is.
    fn dir(&mut self, dir: OwnedFd, path: &mut Vec<Vec<u8>>) -> IoResult<bool> {
        let mut any = false;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            path.push(name.to_bytes().to_vec());
            any |= self.entry(&dir, &stat, path)?;
            path.pop();
        }
        Ok(any)
    }

    fn entry(&mut self, parent: &OwnedFd, stat: &Stat, path: &mut Vec<Vec<u8>>) -> IoResult<bool> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            self.note(path, ChangeKind::Deleted);
            return Ok(true);
        }
        let below = {
            let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
            self.lowers.stat(&names).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?
        };
        let Some(below) = below else {
            self.note(path, ChangeKind::Added);
            self.descend(parent, kind, path)?;
            return Ok(true);
        };
        let was_dir = FileType::from_raw_mode(below.st_mode) == FileType::Directory;
        // A directory is in the upper layer as soon as something below it is: that alone is no change.
        let same = kind == FileType::Directory && was_dir && is_same(stat, &below) && !self.is_opaque(parent, path);
        let inner = self.descend(parent, kind, path)?;
        if same && !inner {
            return Ok(false);
        }
        self.note(path, ChangeKind::Modified);
        Ok(true)
    }

    fn descend(&mut self, parent: &OwnedFd, kind: FileType, path: &mut Vec<Vec<u8>>) -> IoResult<bool> {
        let Some(name) = path.last().filter(|_| kind == FileType::Directory && path.len() < MAX_DEPTH) else {
            return Ok(false);
        };
        match archive::open_dir(parent, name.as_slice()) {
            Ok(dir) => self.dir(dir, path),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn is_opaque(&self, parent: &OwnedFd, path: &[Vec<u8>]) -> bool {
        let Some(name) = path.last() else { return false };
        let mut value = [0u8; 1];
        archive::open_dir(parent, name.as_slice())
            .is_ok_and(|d| matches!(fgetxattr(d, "trusted.overlay.opaque", value.as_mut_slice()), Ok(1)))
            && value[0] == b'y'
    }

    fn note(&mut self, path: &[Vec<u8>], kind: ChangeKind) {
        let path = format!("/{}", String::from_utf8_lossy(&path.join(&b'/')));
        self.out.push(Change { path, kind });
    }
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_mode, a.st_uid, a.st_gid, a.st_mtime, a.st_mtime_nsec)
        == (b.st_mode, b.st_uid, b.st_gid, b.st_mtime, b.st_mtime_nsec)
}
