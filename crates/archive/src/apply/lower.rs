//! The layers below, looked into when a layer leans on them (parents it does not describe, hard links into them).

use std::os::fd::OwnedFd;

use rustix::fs::{
    FileType, Gid, Mode, OFlags, Stat, Timestamps, Uid, fchmod, fchown, fstat, futimens, openat, readlinkat,
};
use rustix::io::{Errno, Result};

use super::attr;
use super::walk::open_path;

/// Layer roots in overlay form, topmost first.
#[derive(Debug, Default)]
pub(super) struct Lowers {
    pub(super) roots: Vec<OwnedFd>,
}

/// A stack of layers to look into, topmost first, as overlayfs would merge them.
#[derive(Debug)]
pub struct LayerStack(Lowers);

impl LayerStack {
    /// Over these layer roots, topmost first.
    pub fn new(roots: Vec<OwnedFd>) -> Self {
        Self(Lowers { roots })
    }

    /// What the merged view has at a path of names (no `.`, no `..`); links are not followed.
    ///
    /// # Errors
    /// Those of openat(2) and fstat(2) but "not found".
    pub fn stat(&self, path: &[&[u8]]) -> std::io::Result<Option<Stat>> {
        Ok(self.0.find(path.iter().copied())?.map(|hit| hit.stat))
    }
}

/// Something found in the merged view of the layers below.
pub(super) struct Hit {
    parent: OwnedFd,
    name: Vec<u8>,
    stat: Stat,
}

impl Lowers {
    /// Looks a physical path up in the merged view.
    pub(super) fn find<'a>(&self, path: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Option<Hit>> {
        for root in &self.roots {
            match find_in(root, path.clone())? {
                Step::Found(hit) => return Ok(Some(hit)),
                Step::Hidden => return Ok(None),
                Step::Below => {}
            }
        }
        Ok(None)
    }
}

enum Step {
    Found(Hit),
    /// This layer hides whatever is below.
    Hidden,
    Below,
}

fn find_in<'a>(root: &OwnedFd, path: impl Iterator<Item = &'a [u8]>) -> Result<Step> {
    let mut dir = root.try_clone().map_err(|_| Errno::MFILE)?;
    let mut opaque = attr::is_opaque(&dir);
    let mut path = path.peekable();
    while let Some(name) = path.next() {
        let fd = match open_path(&dir, name) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(if opaque { Step::Hidden } else { Step::Below }),
            Err(e) => return Err(e),
        };
        let stat = fstat(&fd)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return Ok(Step::Hidden);
        }
        if path.peek().is_none() {
            return Ok(Step::Found(Hit { parent: dir, name: name.to_vec(), stat }));
        }
        if kind != FileType::Directory {
            return Ok(Step::Hidden);
        }
        dir = crate::tree::open_dir(&dir, name)?;
        opaque |= attr::is_opaque(&dir);
    }
    Ok(Step::Below)
}

impl Hit {
    pub(super) fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }

    pub(super) fn read_link(&self) -> Result<Vec<u8>> {
        Ok(readlinkat(&self.parent, self.name.as_slice(), Vec::new())?.into_bytes())
    }

    /// Opens it for reading.
    pub(super) fn open(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat(&self.parent, self.name.as_slice(), flags, Mode::empty())
    }

    /// Gives `to` its owner, mode, times and extended attributes (overlayfs' own ones left out).
    pub(super) fn copy_attributes(&self, to: impl std::os::fd::AsFd) -> Result<()> {
        let to = to.as_fd();
        fchown(to, Some(Uid::from_raw(self.stat.st_uid)), Some(Gid::from_raw(self.stat.st_gid)))?;
        fchmod(to, Mode::from_raw_mode(self.stat.st_mode))?;
        attr::copy_xattrs(&self.open()?, to)?;
        let time = |s: i64, n: u64| rustix::fs::Timespec { tv_sec: s, tv_nsec: i64::try_from(n).unwrap_or(0) };
        let mtime = time(self.stat.st_mtime, self.stat.st_mtime_nsec);
        futimens(to, &Timestamps { last_access: mtime, last_modification: mtime })
    }
}
