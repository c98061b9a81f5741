use std::io;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use id::Digest;

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why content could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such blob.
    #[error("content digest {0}: not found")]
    NotFound(Digest),
    /// The bytes are not those that the digest names.
    #[error("unexpected commit digest {got}, expected {want}: failed precondition")]
    Digest {
        /// What was promised.
        want: Digest,
        /// What came.
        got: Digest,
    },
    /// The number of bytes is not the promised one.
    #[error("unexpected commit size {got}, expected {want}: failed precondition")]
    Size {
        /// What was promised.
        want: u64,
        /// What came.
        got: u64,
    },
    /// A document is larger than documents may be.
    #[error("content {digest} is too large: {size} bytes, at most {limit}")]
    TooLarge {
        /// Which.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A stored blob has rotted.
    #[error("content {digest} is damaged: its bytes have digest {got}")]
    Damaged {
        /// What it should be.
        digest: Digest,
        /// What it is.
        got: Digest,
    },
    /// Somebody else is writing this blob.
    #[error("ref {0} locked: unavailable")]
    Busy(Digest),
    /// A file operation failed.
    #[error("failed to {op} {}: {}", .path.display(), io_text(.source))]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Go's texts of error numbers are the C library's in lower case.
fn io_text(e: &io::Error) -> String {
    let s = e.to_string();
    s.split(" (os error").next().unwrap_or(&s).to_lowercase()
}

impl Error {
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Busy(_) => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::System,
        }
    }
}
