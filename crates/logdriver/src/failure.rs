use std::io;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be opened or created.
    #[error("failed to open log file {path}: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Records could not be appended; the file ends with a whole record all the same.
    #[error("error writing log entry: {source}")]
    Write {
        /// Records that are lost.
        lost: u64,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The live file could not be moved out of the way; writing goes on in it.
    #[error("error rotating log file: {source}")]
    Rotate {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A log file could not be read.
    #[error("error reading log file {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel (or the decompressor) said.
        #[source]
        source: io::Error,
    },
    /// A change of the log files could not be waited for.
    #[error("error watching log files in {path}: {source}", path = path.display())]
    Watch {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A rotated file could not be compressed; it stays as it was.
    #[error("error compressing log file {path}: {source}", path = path.display())]
    Compress {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl HasKind for LogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::System,
        }
    }
}
