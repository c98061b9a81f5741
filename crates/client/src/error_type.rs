//! What can go wrong between the client and the engine, in the words Docker's users know.

use std::io;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A failed call.
#[derive(Debug, Error)]
pub enum Error {
    /// The socket is there, but may not be opened.
    #[error("permission denied while trying to connect to the docker API at {host}")]
    Permission {
        /// The engine's address.
        host: String,
    },
    /// The socket's path is wrong.
    #[error(
        "failed to connect to the docker API at {host}; check if the path is correct and if the daemon is running: dial unix {path}: connect: no such file or directory"
    )]
    NoSocket {
        /// The engine's address.
        host: String,
        /// Path of the socket.
        path: String,
    },
    /// Nobody listens.
    #[error("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")]
    Refused {
        /// The engine's address.
        host: String,
    },
    /// The host's name is unknown.
    #[error("failed to connect to the docker API at {host}: lookup {name}: no such host")]
    Lookup {
        /// The engine's address.
        host: String,
        /// The name.
        name: String,
    },
    /// Any other failure of the connection.
    #[error("error during connect: {source}")]
    Connect {
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The address cannot be understood.
    #[error("unable to parse docker host `{host}`")]
    Host {
        /// The address as given.
        host: String,
    },
    /// A scheme this client has not got.
    #[error(
        "unsupported docker host scheme in `{host}`: {scheme}:// is not available in this client; forward the socket yourself (for example ssh -L) and use unix:// or tcp://"
    )]
    Scheme {
        /// The address as given.
        host: String,
        /// Its scheme.
        scheme: String,
    },
    /// A certificate or key file that cannot be used.
    #[error("failed to retrieve context tls info: {reason}: {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS failed.
    #[error("error during connect: tls: {source}")]
    Tls {
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// The engine has answered with an error.
    #[error("Error response from daemon: {message}")]
    Api {
        /// HTTP status.
        status: u16,
        /// The engine's message.
        message: String,
    },
    /// The engine has answered with an error status and no message.
    #[error(
        "request returned {reason} for API route and version {url}, check if the server supports the requested API version"
    )]
    NoMessage {
        /// HTTP status.
        status: u16,
        /// HTTP status line.
        reason: String,
        /// What was asked.
        url: String,
    },
    /// The answer breaks off.
    #[error("unexpected EOF")]
    Eof,
    /// The answer is not HTTP.
    #[error("error during connect: malformed HTTP response \"{line}\"")]
    Malformed {
        /// Its first line.
        line: String,
    },
    /// The answer's body is not the JSON it should be.
    #[error("error reading JSON: {source}")]
    Json {
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The connection failed while in use.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The engine did not switch protocols.
    #[error("unable to upgrade to tcp, received {status}")]
    Upgrade {
        /// HTTP status.
        status: u16,
    },
    /// A name is empty where one is needed.
    #[error("invalid {object} name or ID: value is empty")]
    EmptyName {
        /// What kind of object.
        object: String,
    },
    /// The engine is too old for what was asked.
    #[error("\"{feature}\" requires API version {needs}, but the Docker daemon API version is {has}")]
    Version {
        /// What was asked.
        feature: String,
        /// From which version on.
        needs: String,
        /// The engine's.
        has: String,
    },
}

impl Error {
    /// The HTTP status, when the engine has answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::NoMessage { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine has no such object.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the engine could not be reached at all.
    pub fn is_connection(&self) -> bool {
        matches!(
            self,
            Self::Permission { .. }
                | Self::NoSocket { .. }
                | Self::Refused { .. }
                | Self::Lookup { .. }
                | Self::Connect { .. }
                | Self::Tls { .. }
        )
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self.status() {
            Some(400) => ErrorKind::InvalidParameter,
            Some(401) => ErrorKind::Unauthorized,
            Some(403) => ErrorKind::Forbidden,
            Some(404) => ErrorKind::NotFound,
            Some(409) => ErrorKind::Conflict,
            Some(304) => ErrorKind::NotModified,
            Some(501) => ErrorKind::NotImplemented,
            Some(503) => ErrorKind::Unavailable,
            _ if self.is_connection() => ErrorKind::Unavailable,
            _ => ErrorKind::System,
        }
    }
}
