use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use id::{Digest, ReferenceError};

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image operation failed. Texts that a client sees are Docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No image has this name or id.
    #[error("No such image: {0}")]
    NotFound(String),
    /// A short id names more than one image.
    #[error("ambiguous reference")]
    Ambiguous,
    /// The image is there, but not for this platform.
    #[error("image with reference {reference} was found but does not provide {}", wanted_platform(.wanted.as_deref()))]
    PlatformNotFound {
        /// What the caller asked for.
        reference: String,
        /// `os/arch[/variant]`, if a platform was asked for.
        wanted: Option<String>,
    },
    /// The registry's index has nothing for this platform.
    #[error("no matching manifest for {0} in the manifest list entries: no match for platform in manifest: not found")]
    NoMatchingManifest(String),
    /// Not a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The image cannot be removed as asked.
    #[error("conflict: unable to delete {reference} ({}) - {why}", if *.hard { "cannot be forced" } else { "must be forced" })]
    Conflict {
        /// The name or short id shown.
        reference: String,
        /// Force does not help.
        hard: bool,
        /// What is in the way.
        why: String,
    },
    /// A filter's name is unknown, or its value is wrong.
    #[error("invalid filter '{0}'")]
    InvalidFilter(String),
    /// A filter's time is none.
    #[error("failed to parse value as time or duration: {0:?}")]
    InvalidTime(String),
    /// A `--change` instruction is wrong.
    #[error("{0}")]
    InvalidChange(String),
    /// More than one manifest could be meant.
    #[error("{0}")]
    Several(String),
    /// A platform was asked for where it cannot be.
    #[error("{0}")]
    InvalidPlatform(String),
    /// A document is not what its descriptor says.
    #[error("invalid {what} {digest}: {why}")]
    InvalidDocument {
        /// `manifest`, `index`, `config`, …
        what: &'static str,
        /// Which one.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// A descriptor that is none.
    #[error("invalid descriptor {digest}: {why}")]
    InvalidDescriptor {
        /// Its digest as it stands.
        digest: String,
        /// What is wrong.
        why: String,
    },
    /// Unpacked, a layer is not what the image document says.
    #[error("wrong diff id calculated on extraction \"{got}\"")]
    DiffId {
        /// What the document says.
        want: Digest,
        /// What came out.
        got: Digest,
    },
    /// A file of an image archive could not be taken in.
    #[error("failed to ingest \"{name}\": {source}")]
    Ingest {
        /// The file.
        name: String,
        /// Why.
        source: Box<Self>,
    },
    /// A downloaded blob is not what it should be.
    #[error("failed commit on ref \"layer-{digest}\": commit failed: {source}")]
    Commit {
        /// What it should be.
        digest: Digest,
        /// What is wrong with it.
        source: content::Error,
    },
    /// An archive ends in the middle of a file.
    #[error("short read: expected {want} bytes but got {got}: unexpected EOF")]
    ShortRead {
        /// Bytes that its header promises.
        want: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// A layer could not be unpacked.
    #[error("failed to extract layer {layer}: {source}")]
    Extract {
        /// The digest of its tar.
        layer: Digest,
        /// Why.
        source: Box<Self>,
    },
    /// Something asked for is not in the archive.
    #[error("{0}")]
    NotFoundIn(String),
    /// The archive given to load is no image archive.
    #[error("{0}")]
    InvalidArchive(String),
    /// A tar stream is broken, hostile, or too large.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The blob store failed.
    #[error(transparent)]
    Content(#[from] content::Error),
    /// The layer store failed.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The registry failed or refused.
    #[error(transparent)]
    Registry(#[from] registry_client::Error),
    /// The registry has an image of a format that is no longer supported.
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the \
         author of {0} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information \
         at https://docs.docker.com/go/deprecated-image-specs/"
    )]
    Schema1(String),
    /// A download that several pulls waited for has failed.
    #[error("{0}")]
    Shared(#[source] std::sync::Arc<Self>),
    /// The record store failed.
    #[error(transparent)]
    Meta(#[from] metastore::Error),
    /// A file operation failed.
    #[error("failed to {op} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("failed to start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The caller's stream failed.
    #[error("{0}")]
    Input(#[source] std::io::Error),
    /// The operation was cancelled by its caller.
    #[error("context canceled")]
    Cancelled,
}

fn wanted_platform(p: Option<&str>) -> String {
    p.map_or_else(|| "any platform".to_owned(), |p| format!("the specified platform ({p})"))
}

impl Error {
    /// Whether a pull that failed like this may well succeed later, and is to find what it has fetched so far.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Registry(e) => e.is_passing(),
            Self::Shared(e) => e.is_passing(),
            _ => false,
        }
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_)
            | Self::NotFoundIn(_)
            | Self::Ambiguous
            | Self::PlatformNotFound { .. }
            | Self::NoMatchingManifest(_) => ErrorKind::NotFound,
            Self::Schema1(_)
            | Self::Reference(_)
            | Self::InvalidFilter(_)
            | Self::InvalidTime(_)
            | Self::InvalidPlatform(_)
            | Self::InvalidChange(_) => ErrorKind::InvalidParameter,
            Self::Conflict { .. } | Self::Several(_) => ErrorKind::Conflict,
            Self::InvalidDocument { .. }
            | Self::InvalidDescriptor { .. }
            | Self::DiffId { .. }
            | Self::InvalidArchive(_)
            | Self::Io { .. }
            | Self::Thread(_)
            | Self::ShortRead { .. }
            | Self::Input(_) => ErrorKind::System,
            Self::Ingest { source, .. } | Self::Extract { source, .. } => source.kind(),
            Self::Archive(e) => e.kind(),
            Self::Content(e) | Self::Commit { source: e, .. } => e.kind(),
            Self::Snapshot(e) => e.kind(),
            Self::Registry(e) => e.kind(),
            Self::Shared(e) => e.kind(),
            Self::Meta(e) => e.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
