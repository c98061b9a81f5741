//! The exit record: how a container ended, on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How a container's first process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Full container id.
    pub id: String,
    /// 0–255; 128 + n when signal n ended it.
    pub status: i32,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of the container for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Process id it had, in the host's numbering.
    pub pid: i32,
    /// Nanoseconds since 1970.
    pub started_at: i64,
    /// Nanoseconds since 1970.
    pub exited_at: i64,
}

/// Failure to read or write a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file operation failed.
    #[error("exit record {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a record.
    #[error("exit record {}: {source}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl ExitRecord {
    /// Largest file read as a record.
    const LIMIT: u64 = 64 * 1024;

    /// Reads a record; `None` when the file does not exist.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 64 KiB, or is no record.
    pub fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let io = |source| RecordError::Io { path: path.to_owned(), source };
        match fs::metadata(path) {
            Ok(meta) if meta.len() > Self::LIMIT => return Err(io(io::Error::from(io::ErrorKind::FileTooLarge))),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        }
        let bytes = fs::read(path).map_err(io)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| RecordError::Malformed { path: path.to_owned(), source })
    }

    /// Writes a record so that it survives a crash right after: temporary file, fsync, rename, fsync of the directory.
    ///
    /// # Errors
    /// A file operation failed; the old file, if any, is intact.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let io = |source| RecordError::Io { path: path.to_owned(), source };
        let bytes =
            serde_json::to_vec(self).map_err(|source| RecordError::Malformed { path: path.to_owned(), source })?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let temp = path.with_extension("tmp");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp).map_err(io)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&temp, path).map_err(io)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::ExitRecord;

    #[test]
    fn round_trip_and_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exit.json");
        assert_eq!(ExitRecord::read(&path).unwrap(), None);
        let record = ExitRecord { id: "a".into(), status: 137, signal: Some(9), ..ExitRecord::default() };
        record.write(&path).unwrap();
        assert_eq!(ExitRecord::read(&path).unwrap(), Some(record));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn garbage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exit.json");
        std::fs::write(&path, b"{\"id\":").unwrap();
        assert!(ExitRecord::read(&path).is_err());
    }
}
