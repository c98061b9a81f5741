//! A position inside a root, moved component by component over handles.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, readlinkat, statat};
use rustix::io::{Errno, Result};

use super::lower::Lowers;
use crate::name::raw_components;
use crate::tree::open_dir;

/// Symbolic links followed in one walk (the kernel's own limit, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What a walk does when a component is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Fail,
}

/// The open directories from the root to where the last walk ended. Names on it are physical: each was opened
/// without following a link, so it is always what it says, whatever else changes in the tree.
#[derive(Debug)]
pub(super) struct Walker {
    root: OwnedFd,
    stack: Vec<(Vec<u8>, OwnedFd)>,
    depth: usize,
    /// Directories were made that no entry described.
    pub(super) implied: bool,
}

impl Walker {
    pub(super) fn new(root: OwnedFd, depth: usize) -> Self {
        Self { root, stack: Vec::new(), depth, implied: false }
    }

    /// The directory where the last walk ended.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.stack.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd())
    }

    /// The physical path of [`Self::dir`].
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.stack.iter().map(|(name, _)| name.as_slice())
    }

    /// Puts a directory just opened on the stack.
    pub(super) fn push(&mut self, name: &[u8], fd: OwnedFd) {
        self.stack.push((name.to_vec(), fd));
    }

    /// Forgets everything: something on the way was removed.
    pub(super) fn reset(&mut self) {
        self.stack.clear();
    }

    /// Goes to the directory `path` (clean components), following symbolic links inside the root.
    pub(super) fn enter(&mut self, path: &[&[u8]], missing: Missing, lowers: &Lowers, overlay: bool) -> Result<()> {
        let same = self.stack.iter().zip(path).take_while(|((have, _), want)| have == *want).count();
        self.stack.truncate(same);
        let mut rest: Vec<Vec<u8>> = path[same..].iter().rev().map(|c| c.to_vec()).collect();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                self.stack.pop();
                continue;
            }
            if self.stack.len() >= self.depth {
                return Err(Errno::NAMETOOLONG);
            }
            let name = name.as_slice();
            let target = match open_dir(self.dir(), name) {
                Ok(fd) => {
                    self.push(name, fd);
                    continue;
                }
                Err(Errno::NOTDIR | Errno::LOOP) => self.not_a_dir(name, missing, overlay)?,
                Err(Errno::NOENT) => self.absent(name, missing, lowers)?,
                Err(e) => return Err(e),
            };
            if let Some(target) = target {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if target.first() == Some(&b'/') {
                    self.stack.clear();
                }
                rest.extend(raw_components(&target).into_iter().rev());
            }
        }
        Ok(())
    }

    /// A link is to be followed (its target is given back); a whiteout makes room for a directory.
    fn not_a_dir(&mut self, name: &[u8], missing: Missing, overlay: bool) -> Result<Option<Vec<u8>>> {
        let stat = statat(self.dir(), name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Ok(Some(readlinkat(self.dir(), name, Vec::new())?.into_bytes())),
            FileType::CharacterDevice if overlay && stat.st_rdev == 0 && missing == Missing::Create => {
                rustix::fs::unlinkat(self.dir(), name, AtFlags::empty())?;
                self.make(name)?;
                super::attr::set_opaque(self.dir())?;
                Ok(None)
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    /// A missing directory is made as the layers below have it, or with defaults.
    fn absent(&mut self, name: &[u8], missing: Missing, lowers: &Lowers) -> Result<Option<Vec<u8>>> {
        if missing == Missing::Fail {
            return Err(Errno::NOENT);
        }
        let hit = lowers.find(self.names().chain([name]))?;
        match hit {
            Some(hit) if hit.is(FileType::Symlink) => hit.read_link().map(Some),
            Some(hit) if hit.is(FileType::Directory) => {
                self.make(name)?;
                hit.copy_attributes(self.dir())?;
                Ok(None)
            }
            _ => {
                self.implied = true;
                self.make(name)?;
                Ok(None)
            }
        }
    }

    fn make(&mut self, name: &[u8]) -> Result<()> {
        match mkdirat(self.dir(), name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
        let fd = open_dir(self.dir(), name)?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755))?;
        self.push(name, fd);
        Ok(())
    }
}

/// A handle on anything, for reading its attributes only.
pub(super) fn open_path(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd> {
    openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
