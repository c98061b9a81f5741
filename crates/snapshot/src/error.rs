use std::io;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a snapshot operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such layer.
    #[error("layer {0} is not unpacked")]
    NoLayer(String),
    /// There is no read-write layer of this name.
    #[error("no read-write layer {0}")]
    NoRw(String),
    /// A name that is none.
    #[error("invalid snapshot name {0:?}")]
    Name(String),
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
            Self::NoLayer(_) | Self::NoRw(_) => ErrorKind::NotFound,
            Self::Name(_) => ErrorKind::InvalidParameter,
            Self::Io { .. } => ErrorKind::System,
        }
    }
}
