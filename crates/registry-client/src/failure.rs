use std::io;
use std::sync::Arc;
use std::time::Duration;

use error::{ErrorKind, HasKind};
use id::Digest;

/// Why a registry did not give or take something. The texts are those of Docker 29 (containerd's resolver behind them).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry does not let us, or there is no such repository.
    #[error("pull access denied for {name}, repository does not exist or may require 'docker login'")]
    AccessDenied {
        /// The repository as Docker shows it.
        name: String,
    },
    /// The registry does not let us push, or there is no such repository.
    #[error("push access denied for {name}, repository does not exist or may require 'docker login'")]
    PushDenied {
        /// The repository as Docker shows it.
        name: String,
    },
    /// The registry wants a name and password, and there are none for it.
    #[error(
        "failed to resolve reference \"{reference}\": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
    )]
    NoBasicAuth {
        /// The whole name.
        reference: String,
    },
    /// There is no such tag or manifest.
    #[error("failed to resolve reference \"{reference}\": {reference}: not found")]
    NotFound {
        /// The whole name.
        reference: String,
    },
    /// A name could not be resolved.
    #[error("failed to resolve reference \"{reference}\": {source}")]
    Resolve {
        /// The whole name.
        reference: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// No answer came.
    #[error("failed to do request: {method} \"{url}\": {source}")]
    Request {
        /// As Go prints it: `Head`, `Get`, ….
        method: &'static str,
        /// Without secrets.
        url: String,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// No token could be had.
    #[error("failed to authorize: {stage}: {source}")]
    Token {
        /// `failed to fetch anonymous token` or `failed to fetch oauth token`.
        stage: &'static str,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// The answer of the token server is unusable, or its challenge is.
    #[error("{why}")]
    Challenge {
        /// What is wrong with it.
        why: String,
    },
    /// An answer that means failure, without an explanation.
    #[error("unexpected status from {method} request to {url}: {status}")]
    Status {
        /// `HEAD`, `GET`, ….
        method: String,
        /// Without secrets.
        url: String,
        /// As `503 Service Unavailable`.
        status: String,
        /// 503.
        code: u16,
    },
    /// The registry explained its refusal.
    #[error("error from registry: {message}")]
    Registry {
        /// The registry's words.
        message: String,
        /// Its code: `DENIED`, `TOOMANYREQUESTS`, ….
        code: String,
        /// HTTP status.
        status: u16,
    },
    /// Name or password are wrong.
    #[error("login attempt to {url} failed with status: 401 Unauthorized")]
    LoginRefused {
        /// What was asked.
        url: String,
    },
    /// A search term that is a URL.
    #[error("invalid repository name: repository name ({term}) should not have a scheme")]
    InvalidSearch {
        /// As it was given.
        term: String,
    },
    /// The index refused to search.
    #[error("Unexpected status code {code}")]
    SearchStatus {
        /// Its status.
        code: u16,
    },
    /// Not a URL that can be fetched.
    #[error("Get {url:?}: unsupported protocol scheme or no host in request URL")]
    InvalidUrl {
        /// As it was given.
        url: String,
    },
    /// A web server gave no answer, or none to its end.
    #[error("Get \"{url}\": {source}")]
    NoDownload {
        /// Which.
        url: String,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// A web server refused a file.
    #[error("failed to GET {url} with status {status}: {why}")]
    Download {
        /// Which.
        url: String,
        /// The status.
        code: u16,
        /// As `404 Not Found`.
        status: String,
        /// What the server says.
        why: String,
    },
    /// The content that a descriptor names is not there.
    #[error("failed to copy: httpReadSeeker: failed open: content at {url} not found: not found")]
    ContentNotFound {
        /// Where it should be.
        url: String,
    },
    /// A manifest beyond the budget.
    #[error("rejecting {size} byte manifest for {reference}: not found")]
    ManifestTooLarge {
        /// The whole name.
        reference: String,
        /// Its size.
        size: u64,
    },
    /// A manifest of the format of 2015.
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of {reference} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/"
    )]
    Schema1 {
        /// The whole name.
        reference: String,
    },
    /// What came is not what was asked for.
    #[error("unexpected commit digest {got}, expected {want}: failed precondition")]
    DigestMismatch {
        /// The digest of what came.
        got: Digest,
        /// The digest asked for.
        want: Digest,
    },
    /// What came is longer or shorter than announced.
    #[error("failed size validation: {got} != {want}: failed precondition")]
    SizeMismatch {
        /// Bytes that came.
        got: u64,
        /// Bytes announced.
        want: u64,
    },
    /// A blob that the manifest names is not there.
    #[error(
        "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor {digest} ({media_type}) from remote: not found"
    )]
    BlobNotFound {
        /// Which.
        digest: Digest,
        /// What the manifest says it is.
        media_type: String,
    },
    /// The blob's connection ended early every time.
    #[error("short read: expected {want} bytes but got {got}: unexpected EOF")]
    ShortRead {
        /// Bytes that came.
        got: u64,
        /// Bytes that the manifest promises.
        want: u64,
    },
    /// The blob's connection broke too often without a byte in between.
    #[error("failed to copy: {source}")]
    Interrupted {
        /// The last failure.
        #[source]
        source: Box<Self>,
    },
    /// A header of an answer is missing or malformed.
    #[error("{what} in header not valid: {value:?}")]
    BadHeader {
        /// Which.
        what: &'static str,
        /// What it says.
        value: String,
    },
    /// A descriptor or document that is none.
    #[error("invalid {what}: {why}")]
    Malformed {
        /// What kind of document.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A setting that makes no sense.
    #[error("invalid {what} {value:?}: {why}")]
    Config {
        /// Which.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// The `hosts.toml` of the registry makes no sense.
    #[error("{why}")]
    Hosts {
        /// Where, and what is wrong.
        why: String,
    },
    /// What is to be pushed could not be read.
    #[error("failed to read content to push: {0}")]
    Source(#[source] io::Error),
}

/// Why no answer came. The texts are Go's.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The name has no address.
    #[error("dial tcp: lookup {host}: no such host")]
    NoSuchHost {
        /// The name.
        host: String,
    },
    /// The name could not be looked up.
    #[error("dial tcp: lookup {host} on {server}: {why}")]
    Lookup {
        /// The name.
        host: String,
        /// The name server asked last.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// No connection.
    #[error("dial tcp {address}: {}", dial_text(.source))]
    Dial {
        /// Address and port.
        address: String,
        /// What the kernel said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The other side does not speak TLS.
    #[error("http: server gave HTTP response to HTTPS client")]
    PlainHttp,
    /// The other side's certificate is not acceptable.
    #[error("tls: failed to verify certificate: x509: {0}")]
    Certificate(String),
    /// TLS failed otherwise.
    #[error("{}", plain_text(.0))]
    Tls(#[source] Arc<io::Error>),
    /// The proxy refused.
    #[error("proxyconnect tcp: {0}")]
    Proxy(String),
    /// It took too long.
    #[error("net/http: timeout awaiting {what} after {after:?}")]
    Timeout {
        /// What was awaited.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
    /// Too many redirections, or one to where we do not go.
    #[error("{0}")]
    Redirect(String),
    /// Certificates or keys in `certs.d` cannot be used.
    #[error("{0}")]
    Files(String),
}

impl TransportError {
    /// Whether the same request may well succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Broken(_) | Self::Lookup { .. } | Self::Proxy(_) => true,
            // Cut off in the middle of the handshake.
            Self::Tls(e) => matches!(
                e.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::TimedOut
            ),
            _ => false,
        }
    }

    /// Whether the host may be tried without TLS, if it is allowed to.
    pub(crate) fn suggests_plain(&self) -> bool {
        matches!(self, Self::PlainHttp | Self::Tls(_) | Self::Broken(_) | Self::Dial { .. })
    }
}

/// What Go says of an error of the kernel: without its number, in small letters.
pub(crate) fn plain_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) if error.raw_os_error().is_some() => text[..end].to_lowercase(),
        _ => text,
    }
}

/// Go's words for a connection that did not come about.
pub(crate) fn dial_text(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused",
        io::ErrorKind::HostUnreachable => "connect: no route to host",
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable",
        io::ErrorKind::TimedOut => "i/o timeout",
        io::ErrorKind::ConnectionReset => "connect: connection reset by peer",
        _ => {
            let text = plain_text(error);
            return if error.raw_os_error().is_some() { format!("connect: {text}") } else { text };
        }
    };
    text.to_owned()
}

impl Error {
    /// Whether the same may well succeed later: the connection broke, the registry is overloaded or down.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Request { source, .. } => {
                !matches!(source, TransportError::Redirect(_) | TransportError::Certificate(_))
            }
            Self::Status { code, .. } | Self::Registry { status: code, .. } => *code >= 500 || *code == 429,
            Self::Interrupted { .. } | Self::ShortRead { .. } => true,
            Self::Token { source, .. } | Self::Resolve { source, .. } => source.is_passing(),
            _ => false,
        }
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AccessDenied { .. }
            | Self::NotFound { .. }
            | Self::ContentNotFound { .. }
            | Self::BlobNotFound { .. }
            | Self::ManifestTooLarge { .. } => ErrorKind::NotFound,
            Self::Resolve { source, .. } | Self::Token { source, .. } | Self::Interrupted { source } => source.kind(),
            Self::Schema1 { .. } | Self::Config { .. } | Self::Malformed { .. } => ErrorKind::InvalidParameter,
            Self::Registry { code, status, .. } => match (code.as_str(), status) {
                ("UNAUTHORIZED", _) => ErrorKind::Unauthorized,
                ("DENIED", _) => ErrorKind::Forbidden,
                ("UNAVAILABLE", _) => ErrorKind::Unavailable,
                ("UNSUPPORTED", _) => ErrorKind::NotImplemented,
                ("MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UNKNOWN", _) | (_, 404) => ErrorKind::NotFound,
                _ => ErrorKind::System,
            },
            Self::Download { code, .. } => match code {
                404 => ErrorKind::NotFound,
                400 => ErrorKind::InvalidParameter,
                401 => ErrorKind::Unauthorized,
                403 => ErrorKind::Forbidden,
                _ => ErrorKind::System,
            },
            Self::InvalidSearch { .. } | Self::InvalidUrl { .. } | Self::Hosts { .. } => ErrorKind::InvalidParameter,
            Self::LoginRefused { .. } => ErrorKind::Unauthorized,
            Self::PushDenied { .. } => ErrorKind::Forbidden,
            Self::Request { .. }
            | Self::NoDownload { .. }
            | Self::NoBasicAuth { .. }
            | Self::Challenge { .. }
            | Self::Status { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::BadHeader { .. }
            | Self::ShortRead { .. }
            | Self::SearchStatus { .. }
            | Self::Source(_) => ErrorKind::System,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_said_as_go_says_it() {
        let dial = |number| TransportError::Dial {
            address: "192.0.2.1:443".to_owned(),
            source: Arc::new(io::Error::from_raw_os_error(number)),
        };
        let shown = |number| dial(number).to_string();
        assert_eq!(shown(101), "dial tcp 192.0.2.1:443: connect: network is unreachable");
        assert_eq!(shown(113), "dial tcp 192.0.2.1:443: connect: no route to host");
        assert_eq!(shown(1), "dial tcp 192.0.2.1:443: connect: operation not permitted");
        assert_eq!(plain_text(&io::Error::other("Kept (os error 7)")), "Kept (os error 7)");
    }

    #[test]
    fn a_file_by_http_is_not_a_request_to_a_registry() {
        let source = TransportError::Broken("unexpected EOF".to_owned());
        let error = Error::NoDownload { url: "http://192.0.2.1/x.tar".to_owned(), source };
        assert_eq!(error.to_string(), "Get \"http://192.0.2.1/x.tar\": unexpected EOF");
    }
}
