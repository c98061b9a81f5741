//! Files below a directory that somebody else controls: a container's root, an image's tree, a volume.
//!
//! Every path is resolved by the kernel in one step with openat2(2) and `RESOLVE_IN_ROOT`: `..` and absolute symlinks
//! stay inside, magic links of procfs are refused, and nothing can be swapped between a check and its use, because
//! there is no check. What comes back are descriptors, never paths.

mod tree;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

pub use tree::{Missing, Tree, is_dir};

/// Why a file below a root could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{operation} {}: {errno}", path.display())]
    System {
        /// What was tried.
        operation: &'static str,
        /// The path inside the root.
        path: PathBuf,
        /// Why it failed.
        errno: Errno,
    },
    /// It is a directory, a device, a pipe, … where a regular file is wanted.
    #[error("{}: not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It is larger than the caller's budget.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The path inside the root.
        path: PathBuf,
        /// The budget.
        limit: u64,
    },
}

impl Error {
    /// True if there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::System { errno: Errno::NOENT | Errno::NOTDIR, .. })
    }
}

/// A directory as the root of all paths given to it.
#[derive(Debug)]
pub struct Root {
    tree: Tree,
}

impl Root {
    /// Opens a directory of the host. This path is the host's own: symlinks in it are followed.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty()).map_err(system("open", dir))?;
        Ok(Self::from_fd(fd))
    }

    /// Takes a directory's descriptor, for example of a mount that is attached nowhere.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { tree: Tree::new(fd) }
    }

    /// Opens a file inside. The last component is followed too, unless `flags` has `NOFOLLOW`.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn open_inside(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Error> {
        self.tree.open_with(path, flags, mode).map_err(system("open", path))
    }

    /// What is at a path, without opening it.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn stat(&self, path: &Path) -> Result<Stat, Error> {
        let fd = self.open_inside(path, OFlags::PATH, Mode::empty())?;
        rustix::fs::fstat(&fd).map_err(system("stat", path))
    }

    /// Reads a regular file of at most `limit` bytes. Pipes and devices are not even opened for reading.
    ///
    /// # Errors
    /// [`Error::NotRegular`], [`Error::TooLarge`], [`Error::System`].
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.open_inside(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd).map_err(system("stat", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotRegular(path.to_owned()));
        }
        let mut bytes = Vec::new();
        File::from(fd)
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| system("read", path)(Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        if u64::try_from(bytes.len()).is_ok_and(|n| n > limit) {
            return Err(Error::TooLarge { path: path.to_owned(), limit });
        }
        Ok(bytes)
    }

    /// Makes a directory and its missing parents, and gives a handle to it. Symlinks on the way lead to where they lead
    /// inside the root.
    ///
    /// # Errors
    /// [`Error::System`], `ENOTDIR` if something else is in the way.
    pub fn make_dir_all(&self, path: &Path, mode: Mode) -> Result<OwnedFd, Error> {
        let made = self
            .tree
            .open_or_make_with(path, Missing::Directory, mode)
            .and_then(|fd| if is_dir(fd.as_fd())? { Ok(fd) } else { Err(Errno::NOTDIR) });
        made.map_err(system("mkdir", path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.root()
    }
}

fn system(operation: &'static str, path: &Path) -> impl Fn(Errno) -> Error {
    let path = path.to_owned();
    move |errno| Error::System { operation, path: path.clone(), errno }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::create_dir_all(dir.path().join("root/etc")).expect("directory");
        std::fs::write(dir.path().join("canary"), "outside").expect("file");
        std::fs::write(dir.path().join("root/etc/passwd"), "inside").expect("file");
        let root = Root::open(&dir.path().join("root")).expect("opens");
        (dir, root)
    }

    #[test]
    fn nothing_leads_out() {
        let (dir, root) = root();
        symlink("/../../canary", dir.path().join("root/absolute")).expect("link");
        symlink("../canary", dir.path().join("root/relative")).expect("link");
        symlink("/etc", dir.path().join("root/conf")).expect("link");
        for path in ["../canary", "absolute", "relative", "/etc/../../canary"] {
            assert!(root.read(Path::new(path), 100).expect_err(path).is_not_found(), "{path}");
        }
        assert_eq!(root.read(Path::new("/conf/passwd"), 100).expect("inside"), b"inside");
    }

    #[test]
    fn budgets_and_kinds_are_checked() {
        let (dir, root) = root();
        assert!(matches!(root.read(Path::new("etc/passwd"), 3), Err(Error::TooLarge { .. })));
        assert!(matches!(root.read(Path::new("etc"), 3), Err(Error::NotRegular(_))));
        rustix::fs::mknodat(CWD, dir.path().join("root/pipe"), FileType::Fifo, Mode::RWXU, 0).expect("pipe");
        assert!(matches!(root.read(Path::new("pipe"), 3), Err(Error::NotRegular(_))));
    }

    #[test]
    fn directories_are_made_inside_even_through_links() {
        let (dir, root) = root();
        symlink("/../..", dir.path().join("root/up")).expect("link");
        root.make_dir_all(Path::new("/up/a/b"), Mode::RWXU).expect("made");
        assert!(dir.path().join("root/a/b").is_dir());
        assert!(!dir.path().join("a").exists());
        assert!(root.make_dir_all(Path::new("etc/passwd/x"), Mode::RWXU).is_err());
    }
}
