//! Small durable things: random ids, time, and the one way in which the engine writes a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::unix::AsyncFd;

use crate::Error;

/// Puts a descriptor under tokio's watch.
#[expect(deprecated, reason = "`register` is unsafe and that has no place here; our types own their descriptor")]
pub(crate) fn watch<T: std::os::fd::AsRawFd>(inner: T) -> std::io::Result<AsyncFd<T>> {
    AsyncFd::new(inner)
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// 32 random bytes from the kernel.
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(|e| Error::Io {
        op: "read",
        path: "getrandom".into(),
        source: e.into(),
    })?;
    Ok(bytes)
}

/// A system error in the words that Go has for it.
pub(crate) fn go_words(error: &std::io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Makes a directory and its parents with this mode; one that exists is left as it is.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|source| Error::Io {
        op: "create",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that need not survive a power loss (it is written anew at every start).
pub(crate) fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let io = |source| Error::Io { op: "write", path: path.to_owned(), source };
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).map_err(io)?;
    file.write_all(contents).map_err(io)
}

/// Removes a tree; it is no error when it is not there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { op: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes a tree that others may still write to by its path, such as one who compresses logs: first it goes aside, to
/// `<path>-removing`. A removal that was cut short is gone on with.
pub(crate) fn remove_tree_aside(path: &Path) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push("-removing");
    let aside = std::path::PathBuf::from(name);
    remove_tree(&aside)?;
    match std::fs::rename(path, &aside) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { op: "remove", path: path.to_owned(), source }),
        Ok(()) => {}
    }
    remove_tree(&aside)
}
