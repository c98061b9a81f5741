//! What can go wrong, in Docker's words: `<operation> <name>: <cause>`.

use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use rustix::io::Errno;

/// An operation on a volume that failed.
#[derive(Debug, thiserror::Error)]
#[error("{op} {name}: {cause}")]
pub struct Error {
    /// `create`, `get`, `remove`, `list`.
    pub op: &'static str,
    /// The volume's name, or the driver's.
    pub name: String,
    /// Why.
    #[source]
    pub cause: Cause,
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }
}

/// Why an operation on a volume failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// There is none of this name.
    #[error("no such volume")]
    NotFound,
    /// Containers use it.
    #[error("volume is in use - [{}]", .0.join(", "))]
    InUse(Vec<String>),
    /// The name is another driver's volume.
    #[error("driver '{driver}' already has volume '{name}': volume name must be unique")]
    NameConflict {
        /// Whose it is.
        driver: String,
        /// The name.
        name: String,
    },
    /// One character.
    #[error("volume name is too short, names should be at least two alphanumeric characters")]
    NameTooShort,
    /// Not a name.
    #[error(
        "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// A name that the file system cannot hold.
    #[error("volume name is too long, names should be at most {limit} characters")]
    NameTooLong {
        /// Bytes.
        limit: usize,
    },
    /// Nobody drives volumes of this kind.
    #[error("error looking up volume plugin {0}: plugin {0:?} not found")]
    NoDriver(String),
    /// An option that the local driver does not know.
    #[error("invalid option: {0:?}")]
    Option(String),
    /// An option that another one needs.
    #[error("missing required option: {0:?}")]
    OptionMissing(&'static str),
    /// A device URL with a port.
    #[error("port not allowed in CIFS device URL, include 'port' in 'o='")]
    CifsPort,
    /// Not a size.
    #[error(transparent)]
    Size(#[from] units::size::SizeError),
    /// A limit on a file system that has none.
    #[error("quota size requested but no quota support")]
    NoQuota,
    /// A mount needs a device.
    #[error("missing device in volume options")]
    NoDevice,
    /// A server's name that is not in the hosts file.
    #[error("error resolving passed in network volume address: lookup {0}: no such host (give its IP address)")]
    NoHost(String),
    /// The kernel did not mount it.
    #[error("failed to mount local volume: mount {device}:{target}{details}: {}", errno_text(*.errno))]
    Mount {
        /// What.
        device: String,
        /// Where.
        target: String,
        /// Flags and data as Docker shows them, or nothing; passwords are hidden.
        details: String,
        /// Why.
        errno: Errno,
    },
    /// A container has it mounted.
    #[error("volume has active mounts")]
    Active,
    /// A path within a volume that is not there.
    #[error("cannot access path {}: {}", path.display(), errno_text(*.errno))]
    Subpath {
        /// The path.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// A driver that is a program of somebody else's answered with an error.
    #[error("{0}")]
    Driver(String),
    /// A file operation failed.
    #[error("failed to {op} {}: {}", path.display(), errno_text(*.errno))]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The metadata store failed.
    #[error(transparent)]
    Meta(#[from] metastore::Error),
}

impl Cause {
    /// Names the operation and the volume.
    pub fn of(self, op: &'static str, name: &str) -> Error {
        Error { op, name: name.to_owned(), cause: self }
    }

    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Self {
        let path = path.into();
        move |errno| Self::Io { op, path, errno }
    }
}

impl HasKind for Cause {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::NoDriver(_) | Self::Subpath { .. } => ErrorKind::NotFound,
            Self::InUse(_) | Self::NameConflict { .. } => ErrorKind::Conflict,
            Self::NameTooShort
            | Self::Name { .. }
            | Self::NameTooLong { .. }
            | Self::Option(_)
            | Self::OptionMissing(_)
            | Self::CifsPort
            | Self::Size(_)
            | Self::NoQuota => ErrorKind::InvalidParameter,
            Self::NoDevice
            | Self::NoHost(_)
            | Self::Mount { .. }
            | Self::Active
            | Self::Driver(_)
            | Self::Io { .. }
            | Self::Meta(_) => ErrorKind::System,
        }
    }
}

/// The C library's words in Go's spelling.
fn errno_text(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
