//! Paths below a directory by descriptor, with plain errno as the answer.
//!
//! Symbolic links, absolute ones too, and `..` stay inside; whatever comes back is a descriptor, so that no path is
//! resolved twice. The container's files may change meanwhile (volumes are shared): nothing here depends on them
//! staying as they were.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often a resolution is tried again that the kernel gave up because something moved meanwhile (`EAGAIN`,
/// openat2(2)).
const TRIES: u32 = 128;
/// Symbolic links followed before giving up, as the kernel does.
const MAX_LINKS: usize = 40;

/// A directory that paths are resolved in.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// What is made when a path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

impl Tree {
    /// Takes a directory (an `O_PATH` descriptor will do).
    #[must_use]
    pub fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens something that exists. Magic links of procfs are not followed.
    ///
    /// # Errors
    /// openat2(2).
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_with(path, flags, Mode::empty())
    }

    /// As [`Self::open`], with a mode for what `flags` may make.
    ///
    /// # Errors
    /// openat2(2).
    pub fn open_with(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            match rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, resolve) {
                // A rename elsewhere raced with `..`: openat2(2) wants to be asked again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens something as an `O_PATH` descriptor, making it, and directories on the way, when missing. Links that
    /// lead nowhere are followed, and their targets made, inside the root.
    ///
    /// # Errors
    /// openat2(2), mkdirat(2); `Errno::LOOP` after too many links, `Errno::NOTDIR` when something else is on the way.
    pub fn open_or_make(&self, path: &Path, missing: Missing) -> Result<OwnedFd, Errno> {
        self.open_or_make_with(path, missing, Mode::from_raw_mode(0o755))
    }

    /// As [`Self::open_or_make`], with the mode (less the umask) of what is made.
    ///
    /// # Errors
    /// As [`Self::open_or_make`].
    pub fn open_or_make_with(&self, path: &Path, missing: Missing, mode: Mode) -> Result<OwnedFd, Errno> {
        match self.open(path, OFlags::PATH) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (parent, name) = self.walk(path, missing, mode)?;
        match name {
            None => Ok(parent),
            Some(name) => open_nofollow(parent.as_fd(), &name),
        }
    }

    /// The directory that holds the last component, made when missing, and that component, which is not followed.
    /// `None` when the path is the root.
    ///
    /// # Errors
    /// As [`Self::open_or_make`].
    pub fn parent_of(&self, path: &Path) -> Result<Option<(OwnedFd, PathBuf)>, Errno> {
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let parent = self.open_or_make(parent, Missing::Directory)?;
        Ok(Some((parent, PathBuf::from(name))))
    }

    /// Walks a path component by component and makes what is missing. Ends with the parent and the name of the last
    /// component, or with the directory itself.
    fn walk(&self, path: &Path, missing: Missing, mode: Mode) -> Result<(OwnedFd, Option<PathBuf>), Errno> {
        let mut stack = vec![self.root.try_clone().map_err(|_| Errno::MFILE)?];
        let mut pending = components(path);
        let mut links = 0;
        while let Some(component) = pending.pop_front() {
            if component == Path::new("..") {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let here = stack.last().ok_or(Errno::INVAL)?.as_fd();
            let last = pending.is_empty();
            let kind = if last { missing } else { Missing::Directory };
            let found = match open_nofollow(here, &component) {
                Err(Errno::NOENT) => {
                    make(here, &component, kind, mode)?;
                    open_nofollow(here, &component)?
                }
                other => other?,
            };
            match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                    let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        stack.truncate(1);
                    }
                    for part in components(&target).into_iter().rev() {
                        pending.push_front(part);
                    }
                }
                FileType::Directory => stack.push(found),
                _ if last => {
                    let parent = stack.pop().ok_or(Errno::INVAL)?;
                    return Ok((parent, Some(component)));
                }
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok((stack.pop().ok_or(Errno::INVAL)?, None))
    }
}

fn components(path: &Path) -> VecDeque<PathBuf> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(PathBuf::from(name)),
            Component::ParentDir => Some(PathBuf::from("..")),
            _ => None,
        })
        .collect()
}

fn open_nofollow(dir: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn make(dir: BorrowedFd<'_>, name: &Path, kind: Missing, mode: Mode) -> Result<(), Errno> {
    let made = match kind {
        Missing::Directory => rustix::fs::mkdirat(dir, name, mode),
        Missing::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, mode).map(drop)
        }
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Whether a descriptor is a directory.
///
/// # Errors
/// fstat(2).
pub fn is_dir(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let root = rustix::fs::open(dir.path().join("root"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        (dir, Tree::new(root))
    }

    #[test]
    fn missing_paths_are_made_inside() {
        let (dir, tree) = tree();
        let root = dir.path().join("root");
        fs::create_dir(dir.path().join("canary")).unwrap();
        for (name, target) in [
            ("relative", "../../canary"),
            ("absolute", "/deep/er"),
            ("chain", "relative"),
            ("host", dir.path().join("canary").to_str().unwrap()),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        for path in ["/relative/sub", "/absolute/x/y", "/chain/sub2", "/../../canary/up", "/host/sub"] {
            tree.open_or_make(Path::new(path), Missing::Directory).unwrap();
        }
        tree.open_or_make(Path::new("/relative/file"), Missing::File).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("canary")).unwrap().count(), 0);
        for made in ["canary/sub", "canary/sub2", "canary/up", "deep/er/x/y"] {
            assert!(root.join(made).is_dir(), "{made}");
        }
        assert!(root.join("canary/file").is_file());
    }

    #[test]
    fn a_file_behind_a_dangling_link() {
        let (dir, tree) = tree();
        symlink("/etc/real", dir.path().join("root/link")).unwrap();
        tree.open_or_make(Path::new("/link"), Missing::File).unwrap();
        assert!(dir.path().join("root/etc/real").is_file());
    }

    #[test]
    fn loops_and_files_in_the_way() {
        let (dir, tree) = tree();
        symlink("b", dir.path().join("root/a")).unwrap();
        symlink("a", dir.path().join("root/b")).unwrap();
        assert_eq!(tree.open_or_make(Path::new("/a/x"), Missing::Directory).unwrap_err(), Errno::LOOP);
        fs::write(dir.path().join("root/file"), "").unwrap();
        assert_eq!(tree.open_or_make(Path::new("/file/x"), Missing::Directory).unwrap_err(), Errno::NOTDIR);
    }

    #[test]
    fn parents() {
        let (dir, tree) = tree();
        assert!(tree.parent_of(Path::new("/")).unwrap().is_none());
        let (_, name) = tree.parent_of(Path::new("/dev/net/tun")).unwrap().unwrap();
        assert_eq!(name, Path::new("tun"));
        assert!(dir.path().join("root/dev/net").is_dir());
    }
}
