use std::io;

use error::{ErrorKind, HasKind};

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tar stream could not be read or applied. The first three texts are those of Go's `archive/tar`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header that is none: wrong checksum, wrong numbers, wrong extension records.
    #[error("archive/tar: invalid tar header")]
    Header,
    /// The stream ends in the middle of an entry.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// Something does not fit the format (when writing).
    #[error("archive/tar: header field too long")]
    FieldTooLong,
    /// The compressed stream is broken.
    #[error("{format}: {source}")]
    Compression {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// A budget ran out.
    #[error("archive is larger than allowed: more than {limit} {what}")]
    Budget {
        /// `bytes`, `entries`, `path components`, …
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A whiteout that names nothing.
    #[error("invalid whiteout name: {0}")]
    Whiteout(String),
    /// An entry's name leaves the root, or is no name.
    #[error("invalid entry name {0:?}")]
    Name(String),
    /// The target of a hard link is not there.
    #[error("failed to create hard link {name:?}: target {target:?} does not exist")]
    LinkTarget {
        /// The entry.
        name: String,
        /// Where it points.
        target: String,
    },
    /// The stream could not be read.
    #[error(transparent)]
    Input(io::Error),
    /// A file operation of the applier failed.
    #[error("failed to {op} {path:?}: {}", errno_text(.source))]
    Fs {
        /// What was tried.
        op: &'static str,
        /// The entry.
        path: String,
        /// Why it failed.
        source: rustix::io::Errno,
    },
}

/// Go's texts of error numbers, in lower case, as Docker prints them.
fn errno_text(e: &rustix::io::Errno) -> String {
    let s = io::Error::from(*e).to_string();
    let s = s.split(" (os error").next().unwrap_or(&s);
    s.to_lowercase()
}

impl Error {
    /// Sorts an error of the input: a cut stream, a broken compression, or whatever the source said.
    pub fn from_input(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => Self::UnexpectedEof,
            // These two kinds come from the decoders only; sources use others.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Compression { format: "compressed stream", source: e }
            }
            _ => Self::Input(e),
        }
    }

    /// For `io::Read` around a reader.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Input(e) => e,
            Self::UnexpectedEof => io::Error::from(io::ErrorKind::UnexpectedEof),
            other => io::Error::other(other),
        }
    }

    /// Whether the disk (or quota) is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Fs { source, .. } if matches!(*source, rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT))
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Budget { .. } => ErrorKind::TooLarge,
            Self::Name(_) | Self::Whiteout(_) => ErrorKind::InvalidParameter,
            _ => ErrorKind::System,
        }
    }
}
