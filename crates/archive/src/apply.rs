//! Writes the entries of a tar stream below a root.
//!
//! Invariant: no name is resolved by the kernel over more than one component, and no component is followed when it
//! is a symbolic link; links are read and walked here, below the root. So nothing outside of the root can be
//! reached, even when somebody changes the tree meanwhile.

mod attr;
mod lower;
mod walk;

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timestamps, Uid, chownat, fchmod, fchown, ftruncate, futimens, linkat,
    makedev, mkdirat, mknodat, openat, statat, symlinkat, utimensat,
};
use rustix::io::{Errno, pwrite, write};

use crate::entry::{Entry, Kind};
use crate::name::components;
use crate::reader::Reader;
use crate::tree::{open_dir, remove_tree};
use crate::{Error, Result};
pub use lower::LayerStack;
use lower::Lowers;
use walk::{Missing, Walker, open_path};

/// How whiteouts (`.wh.` names; OCI image specification, layer.md) are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whiteouts {
    /// Become overlayfs' own marks.
    #[default]
    Overlay,
    /// Are names like any other (`docker cp`, build contexts).
    Plain,
}

/// How to apply.
#[derive(Debug, Default)]
pub struct ApplyOptions {
    /// What `.wh.` means.
    pub whiteouts: Whiteouts,
    /// Give everything to this user and group instead of the entry's.
    pub owner: Option<(u32, u32)>,
    /// Roots of the layers below, topmost first, in overlay form.
    pub lowers: Vec<OwnedFd>,
    /// Refuse to put a directory in the place of something else, and the other way round
    /// (`noOverwriteDirNonDir` of the archive API).
    pub keep_kinds: bool,
    /// Largest depth of a path; 0 means 512.
    pub depth: usize,
}

/// What was applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Bytes on disk, in whole blocks of 4 KiB.
    pub bytes: u64,
    /// Files, directories and other nodes made.
    pub inodes: u64,
    /// The layer leans on what is below it: it has parents without an entry, or hard links to files it does not
    /// hold. It must be applied again with `lowers` unless it is the lowest.
    pub needs_lower: bool,
    /// It has hard links to files that it does not hold (part of `needs_lower`): where nothing lies below, they
    /// cannot be made.
    pub missing_link: bool,
    /// The root itself is opaque: nothing below this layer shows.
    pub opaque_root: bool,
}

/// Applies entries below one root.
#[derive(Debug)]
pub struct Applier {
    walker: Walker,
    lowers: Lowers,
    options: ApplyOptions,
    applied: Applied,
    /// Times of directories, set at the end as their content changes them.
    dir_times: Vec<(Vec<u8>, Timestamps)>,
    missing_link: Option<Error>,
}

impl Applier {
    /// Works below `root`, which must be an open directory.
    pub fn new(root: OwnedFd, mut options: ApplyOptions) -> Self {
        let depth = if options.depth == 0 { 512 } else { options.depth };
        let lowers = Lowers { roots: std::mem::take(&mut options.lowers) };
        Self {
            walker: Walker::new(root, depth),
            lowers,
            options,
            applied: Applied::default(),
            dir_times: Vec::new(),
            missing_link: None,
        }
    }

    /// Applies a whole stream, to its last byte.
    ///
    /// # Errors
    /// The stream's and the file system's; what was written by then stays.
    pub fn apply<R: BufRead>(mut self, reader: &mut Reader<R>) -> Result<Applied> {
        while let Some(entry) = reader.next_entry()? {
            self.entry(&entry, reader)?;
        }
        reader.drain()?;
        self.finish()
    }

    /// Applies one entry, whose data `reader` stands at.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn entry<R: BufRead>(&mut self, entry: &Entry, reader: &mut Reader<R>) -> Result<()> {
        let path = components(&entry.path);
        let Some((base, parent)) = path.split_last() else {
            return self.root_entry(entry);
        };
        if self.options.whiteouts == Whiteouts::Overlay && base.starts_with(b".wh.") {
            return self.whiteout(entry, parent, &base[4..]);
        }
        if entry.kind == Kind::HardLink {
            return self.hard_link(entry, parent, base);
        }
        self.enter(entry, parent)?;
        self.node(entry, base, reader).map_err(|e| match e {
            Failure::Fs(op, source) => Error::Fs { op, path: entry.display(), source },
            Failure::Other(e) => e,
        })
    }

    /// Sets what has to be set last.
    ///
    /// # Errors
    /// If a directory's time cannot be set.
    pub fn finish(mut self) -> Result<Applied> {
        for (path, times) in std::mem::take(&mut self.dir_times) {
            // A directory that a later entry replaced keeps what that entry gave it.
            if self.walker.enter(&components(&path), Missing::Fail, &Lowers::default(), false).is_ok() {
                futimens(self.walker.dir(), &times).map_err(|source| fs_error("set times of", &path, source))?;
            }
        }
        if let Some(e) = self.missing_link {
            if !self.lowers.roots.is_empty() {
                return Err(e);
            }
            self.applied.needs_lower = true;
            self.applied.missing_link = true;
        }
        self.applied.needs_lower |= self.walker.implied;
        Ok(self.applied)
    }

    fn overlay(&self) -> bool {
        self.options.whiteouts == Whiteouts::Overlay
    }

    fn enter(&mut self, entry: &Entry, parent: &[&[u8]]) -> Result<()> {
        let overlay = self.overlay();
        self.walker.enter(parent, Missing::Create, &self.lowers, overlay).map_err(|source| Error::Fs {
            op: "make the directories of",
            path: entry.display(),
            source,
        })
    }

    fn root_entry(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(Error::Name(entry.display()));
        }
        self.walker.reset();
        self.dir_attributes(entry, b"").map_err(|source| fs_error("set attributes of", &entry.path, source))
    }

    /// Attributes of the directory where the walker stands.
    fn dir_attributes(&mut self, entry: &Entry, path: &[u8]) -> rustix::io::Result<()> {
        let (uid, gid) = self.owner(entry);
        let dir = self.walker.dir();
        fchown(dir, uid, gid)?;
        fchmod(dir, Mode::from_raw_mode(entry.mode))?;
        attr::set_xattrs(dir, &entry.xattrs)?;
        self.dir_times.push((path.to_vec(), attr::timestamps(entry.mtime)));
        Ok(())
    }

    fn owner(&self, entry: &Entry) -> (Option<Uid>, Option<Gid>) {
        let (uid, gid) = self.options.owner.unwrap_or((entry.uid, entry.gid));
        (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
    }

    /// Makes anything but a hard link, as `base` where the walker stands.
    fn node<R: BufRead>(&mut self, entry: &Entry, base: &[u8], reader: &mut Reader<R>) -> Result<(), Failure> {
        match entry.kind {
            Kind::Directory => return self.directory(entry, base),
            Kind::Regular => return self.file(entry, base, reader),
            _ => {}
        }
        let mut again = true;
        loop {
            let dir = self.walker.dir();
            let mode = Mode::from_raw_mode(entry.mode);
            let made = match entry.kind {
                Kind::Symlink => symlinkat(entry.link.as_slice(), dir, base),
                Kind::Char { major, minor } => {
                    mknodat(dir, base, FileType::CharacterDevice, mode, makedev(major, minor))
                }
                Kind::Block { major, minor } => mknodat(dir, base, FileType::BlockDevice, mode, makedev(major, minor)),
                _ => mknodat(dir, base, FileType::Fifo, mode, 0),
            };
            match made {
                Err(Errno::EXIST) if again => self.make_room(entry, base)?,
                other => break other.map_err(|e| Failure::Fs("create", e))?,
            }
            again = false;
        }
        self.applied.inodes += 1;
        self.node_attributes(entry, base).map_err(|e| Failure::Fs("set attributes of", e))
    }

    fn node_attributes(&self, entry: &Entry, base: &[u8]) -> rustix::io::Result<()> {
        let dir = self.walker.dir();
        let (uid, gid) = self.owner(entry);
        chownat(dir, base, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        if entry.kind != Kind::Symlink || !entry.xattrs.is_empty() {
            let fd = open_path(dir, base)?;
            if entry.kind != Kind::Symlink {
                chmod_path(&fd, entry.mode)?;
            }
            attr::set_xattrs_path(&fd, &entry.xattrs)?;
        }
        utimensat(dir, base, &attr::timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn directory(&mut self, entry: &Entry, base: &[u8]) -> Result<(), Failure> {
        let mut opaque = false;
        let dir = self.walker.dir();
        match mkdirat(dir, base, Mode::from_raw_mode(0o700)) {
            Ok(()) => self.count(0, true),
            Err(Errno::EXIST) => {
                let stat = statat(dir, base, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| Failure::Fs("stat", e))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    if self.options.keep_kinds && !self.links_to_dir(base) {
                        return Err(Failure::Fs("overwrite a non-directory with directory", Errno::EXIST));
                    }
                    if self.options.keep_kinds {
                        // The archive API leaves a link to a directory where it is.
                        return Ok(());
                    }
                    // Something was here in this layer (or is hidden by it), so nothing from below shows through.
                    opaque = self.overlay();
                    self.make_room(entry, base)?;
                    mkdirat(self.walker.dir(), base, Mode::from_raw_mode(0o700))
                        .map_err(|e| Failure::Fs("create", e))?;
                    self.count(0, true);
                }
            }
            Err(e) => return Err(Failure::Fs("create", e)),
        }
        let fd = open_dir(self.walker.dir(), base).map_err(|e| Failure::Fs("open", e))?;
        self.walker.push(base, fd);
        let path = self.walker.names().collect::<Vec<_>>().join(&b'/');
        if opaque {
            attr::set_opaque(self.walker.dir()).map_err(|e| Failure::Fs("mark", e))?;
        }
        self.dir_attributes(entry, &path).map_err(|e| Failure::Fs("set attributes of", e))
    }

    /// Whether `base` is a link that leads to a directory inside the root.
    fn links_to_dir(&mut self, base: &[u8]) -> bool {
        let here: Vec<Vec<u8>> = self.walker.names().map(<[u8]>::to_vec).collect();
        let path: Vec<&[u8]> = here.iter().map(Vec::as_slice).chain([base]).collect();
        let found = self.walker.enter(&path, Missing::Fail, &Lowers::default(), false).is_ok();
        let back: Vec<&[u8]> = here.iter().map(Vec::as_slice).collect();
        found && self.walker.enter(&back, Missing::Fail, &Lowers::default(), false).is_ok()
    }

    fn file<R: BufRead>(&mut self, entry: &Entry, base: &[u8], reader: &mut Reader<R>) -> Result<(), Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let fd = match openat(self.walker.dir(), base, flags, mode) {
            Err(Errno::EXIST) => {
                self.make_room(entry, base)?;
                openat(self.walker.dir(), base, flags, mode)
            }
            other => other,
        }
        .map_err(|e| Failure::Fs("create", e))?;
        let stored = write_data(&fd, entry, reader)?;
        if stored >= WRITEBACK_MIN {
            sys::writeback::begin(fd.as_fd(), 0, entry.size);
        }
        self.count(stored, false);
        let (uid, gid) = self.owner(entry);
        let finish = || {
            fchown(&fd, uid, gid)?;
            fchmod(&fd, Mode::from_raw_mode(entry.mode))?;
            attr::set_xattrs(&fd, &entry.xattrs)?;
            futimens(&fd, &attr::timestamps(entry.mtime))
        };
        finish().map_err(|e| Failure::Fs("set attributes of", e))
    }

    fn count(&mut self, bytes: u64, dir: bool) {
        self.applied.inodes += 1;
        self.applied.bytes += if dir { 4096 } else { bytes.next_multiple_of(4096) };
    }

    /// Removes what stands where an entry goes.
    fn make_room(&mut self, entry: &Entry, base: &[u8]) -> Result<(), Failure> {
        let stat = statat(self.walker.dir(), base, AtFlags::SYMLINK_NOFOLLOW);
        let is_dir = stat.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
        if is_dir && self.options.keep_kinds && entry.kind != Kind::Directory {
            return Err(Failure::Fs("overwrite directory with non-directory", Errno::ISDIR));
        }
        let name = std::ffi::CString::new(base).map_err(|_| Failure::Fs("replace", Errno::INVAL))?;
        remove_tree(self.walker.dir(), &name).map_err(|e| Failure::Fs("replace", e))
    }

    fn hard_link(&mut self, entry: &Entry, parent: &[&[u8]], base: &[u8]) -> Result<()> {
        let fail = |op, source| Error::Fs { op, path: entry.display(), source };
        let target = components(&entry.link);
        let Some((target_base, target_parent)) = target.split_last() else {
            return Err(Error::Name(String::from_utf8_lossy(&entry.link).into_owned()));
        };
        let Some(target_dir) = self.link_target(entry, target_base, target_parent)? else { return Ok(()) };
        self.enter(entry, parent)?;
        let link = |to: &Walker| linkat(&target_dir, *target_base, to.dir(), base, AtFlags::empty());
        match link(&self.walker) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // Linking a file to itself, as some archives do, must not remove it.
                let stat = |d, n: &[u8]| statat(d, n, AtFlags::SYMLINK_NOFOLLOW);
                let (a, b) = (stat(target_dir.as_fd(), target_base), stat(self.walker.dir(), base));
                if let (Ok(a), Ok(b)) = (a, b)
                    && a.st_ino == b.st_ino
                    && a.st_dev == b.st_dev
                {
                    return Ok(());
                }
                self.make_room(entry, base).map_err(|f| f.at(entry))?;
                link(&self.walker).map_err(|e| fail("link", e))?;
            }
            Err(e) => return Err(fail("link", e)),
        }
        self.link_attributes(entry, base).map_err(|e| fail("set attributes of", e))
    }

    /// What the entry of a hard link says of the file counts, too (containerd, `createTarFile`). An owner that is right already is
    /// not set again: that would cost the file its capabilities, which not every writer repeats with each name.
    fn link_attributes(&self, entry: &Entry, base: &[u8]) -> rustix::io::Result<()> {
        let dir = self.walker.dir();
        let stat = statat(dir, base, AtFlags::SYMLINK_NOFOLLOW)?;
        let (uid, gid) = self.owner(entry);
        if uid.is_some_and(|u| u.as_raw() != stat.st_uid) || gid.is_some_and(|g| g.as_raw() != stat.st_gid) {
            chownat(dir, base, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            let fd = open_path(dir, base)?;
            chmod_path(&fd, entry.mode)?;
            attr::set_xattrs_path(&fd, &entry.xattrs)?;
        }
        utimensat(dir, base, &attr::timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The open parent of a hard link's target; `None` if the target is not here (kept for [`Self::finish`]).
    fn link_target(&mut self, entry: &Entry, base: &[u8], parent: &[&[u8]]) -> Result<Option<OwnedFd>> {
        let fail = |source| Error::Fs { op: "find the target of", path: entry.display(), source };
        let here = match self.walker.enter(parent, Missing::Fail, &Lowers::default(), false) {
            Ok(()) => match statat(self.walker.dir(), base, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => true,
                Err(Errno::NOENT) => false,
                Err(e) => return Err(fail(e)),
            },
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            Err(e) => return Err(fail(e)),
        };
        if !here && !self.copy_up(entry, base, parent)? {
            self.missing_link.get_or_insert_with(|| Error::LinkTarget {
                name: entry.display(),
                target: String::from_utf8_lossy(&entry.link).into_owned(),
            });
            return Ok(None);
        }
        self.walker.dir().try_clone_to_owned().map(Some).map_err(|_| fail(Errno::MFILE))
    }

    /// Copies a file of the layers below into this one, as overlayfs does before it links. False if there is none.
    fn copy_up(&mut self, entry: &Entry, base: &[u8], parent: &[&[u8]]) -> Result<bool> {
        if self.lowers.roots.is_empty() {
            return Ok(false);
        }
        let fail = |source| Error::Fs { op: "copy the target of", path: entry.display(), source };
        self.enter(entry, parent)?;
        let found = self.lowers.find(self.walker.names().chain([base])).map_err(fail)?;
        let Some(hit) = found.filter(|h| h.is(FileType::RegularFile)) else { return Ok(false) };
        let copy = || {
            let from = hit.open()?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = openat(self.walker.dir(), base, flags, Mode::from_raw_mode(0o600))?;
            let mut bytes = 0u64;
            loop {
                let n = rustix::fs::copy_file_range(&from, None, &to, None, 1 << 30)?;
                if n == 0 {
                    break;
                }
                bytes += n as u64;
            }
            hit.copy_attributes(&to)?;
            Ok(bytes)
        };
        let bytes = copy().map_err(fail)?;
        self.count(bytes, false);
        Ok(true)
    }

    fn whiteout(&mut self, entry: &Entry, parent: &[&[u8]], name: &[u8]) -> Result<()> {
        let fail = |source| Error::Fs { op: "apply whiteout", path: entry.display(), source };
        if matches!(name, b"" | b"." | b"..") {
            return Err(Error::Whiteout(entry.display()));
        }
        if name == b".wh..opq" {
            self.enter(entry, parent)?;
            self.applied.opaque_root |= parent.is_empty();
            return attr::set_opaque(self.walker.dir()).map_err(fail);
        }
        if name.starts_with(b".wh.") {
            // Metadata of AUFS (`.wh..wh.plnk`, `.wh..wh.aufs`).
            return Ok(());
        }
        self.enter(entry, parent)?;
        let dir = self.walker.dir();
        match mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => {
                self.applied.inodes += 1;
                Ok(())
            }
            // What this layer itself holds stays; only the layers below are hidden (layer.md, "Whiteouts").
            Err(Errno::EXIST) => match open_dir(dir, name) {
                Ok(fd) => attr::set_opaque(&fd).map_err(fail),
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Ok(()),
                Err(e) => Err(fail(e)),
            },
            Err(e) => Err(fail(e)),
        }
    }
}

/// A failure of one entry, before its name is known.
enum Failure {
    Fs(&'static str, Errno),
    Other(Error),
}

impl Failure {
    fn at(self, entry: &Entry) -> Error {
        match self {
            Self::Fs(op, source) => Error::Fs { op, path: entry.display(), source },
            Self::Other(e) => e,
        }
    }
}

fn fs_error(op: &'static str, path: &[u8], source: Errno) -> Error {
    Error::Fs { op, path: String::from_utf8_lossy(path).into_owned(), source }
}

/// Files of this size and more are on their way to disk while the next ones are made: the sync at the end is short then.
const WRITEBACK_MIN: u64 = 512 << 10;

/// How many bytes of a file are written between two looks at the free space.
const SPACE_STEP: u64 = 64 << 20;

/// An archive of little that unpacks to much must stop before the disk is full to the last block: 2 % (at most
/// 64 MiB) are left for everybody else.
fn check_space(fd: &OwnedFd) -> Result<(), Failure> {
    let Ok(fs) = rustix::fs::fstatvfs(fd) else { return Ok(()) };
    let reserve = (fs.f_blocks.saturating_mul(fs.f_frsize) / 50).min(64 << 20);
    if fs.f_bavail.saturating_mul(fs.f_frsize) < reserve {
        return Err(Failure::Fs("write", Errno::NOSPC));
    }
    Ok(())
}

/// Writes a file's data; gives the bytes stored.
fn write_data<R: BufRead>(fd: &OwnedFd, entry: &Entry, reader: &mut Reader<R>) -> Result<u64, Failure> {
    let (mut stored, mut check_at) = (0, SPACE_STEP);
    let whole = [crate::Segment { offset: 0, length: entry.size }];
    let holes = entry.sparse.is_some();
    for segment in entry.sparse.as_deref().unwrap_or(&whole) {
        let (mut at, mut left) = (segment.offset, segment.length);
        while left > 0 {
            let buf = reader.fill().map_err(Failure::Other)?;
            if buf.is_empty() {
                return Err(Failure::Other(Error::UnexpectedEof));
            }
            let buf = &buf[..buf.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            let n = if holes { pwrite(fd, buf, at) } else { write(fd, buf) };
            let n = match n {
                Ok(n) => n,
                Err(Errno::INTR) => continue,
                Err(e) => return Err(Failure::Fs("write", e)),
            };
            reader.consume(n);
            at += n as u64;
            left -= n as u64;
            stored += n as u64;
            if stored >= check_at {
                check_space(fd)?;
                check_at = stored + SPACE_STEP;
            }
        }
    }
    if holes {
        ftruncate(fd, entry.size).map_err(|e| Failure::Fs("write", e))?;
    }
    Ok(stored)
}

/// Sets the mode of what is open by path only: fchmod does not take such handles, and the kernel's link to the handle is not a name
/// of the tree.
fn chmod_path(fd: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd;
    rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()).as_str(), Mode::from_raw_mode(mode))
}
