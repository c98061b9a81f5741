use std::io;

use error::{ErrorKind, HasKind};
use logdriver::OptError;

/// Why a log driver cannot be used as asked, or a message could not be sent. The texts are Docker's (and Go's).
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// What all drivers check.
    #[error(transparent)]
    Opt(#[from] OptError),
    /// An option that gelf has not got.
    #[error("unknown log opt {0:?} for gelf log driver")]
    UnknownGelfOpt(String),
    /// An option of gelf with a wrong value.
    #[error("unknown value {value:?} for log opt {opt:?} for gelf log driver")]
    GelfValue {
        /// The option.
        opt: String,
        /// Its value.
        value: String,
    },
    /// Gelf has nowhere to go.
    #[error("gelf-address is a required parameter")]
    GelfAddressMissing,
    /// Neither `udp` nor `tcp`.
    #[error("gelf: endpoint needs to be TCP or UDP")]
    GelfScheme,
    /// No port.
    #[error("gelf: please provide gelf-address as proto://host:port")]
    GelfPort,
    /// Compression over TCP.
    #[error("compression is only supported on UDP")]
    GelfCompression,
    /// An option for TCP with another protocol.
    #[error("{0:?} is only valid for TCP")]
    GelfNotTcp(String),
    /// A count below zero, or none.
    #[error("{0:?} must be a positive integer")]
    GelfCount(String),
    /// A scheme that the driver does not speak.
    #[error("unsupported scheme: '{0}'")]
    Scheme(String),
    /// An address that cannot be parsed.
    #[error("parse {url:?}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// Go's words.
        reason: String,
    },
    /// A socket that is not there.
    #[error("stat {path}: {reason}")]
    Stat {
        /// Its path.
        path: String,
        /// The kernel's words.
        reason: String,
    },
    /// `syslog-facility`.
    #[error("invalid syslog facility")]
    Facility,
    /// `syslog-format`.
    #[error("Invalid syslog format")]
    Format,
    /// `fluentd-address`.
    #[error("invalid fluentd-address ({address}): {source}")]
    FluentdAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
    /// `unix://` without a path.
    #[error("path is empty")]
    EmptyPath,
    /// `tcp://host/path`.
    #[error("should not contain a path element")]
    PathInAddress,
    /// A port that is no 16-bit number.
    #[error("invalid port: strconv.ParseUint: parsing {0:?}: value out of range")]
    Port(String),
    /// A duration that is none.
    #[error("time: {0}")]
    Duration(String),
    /// A number that is none.
    #[error("strconv.ParseUint: parsing {value:?}: {reason}")]
    Unsigned {
        /// What was given.
        value: String,
        /// `invalid syntax` or `value out of range`.
        reason: &'static str,
    },
    /// `fluentd-max-retries` beyond 2³¹−1.
    #[error("invalid fluentd-max-retries: value out of range")]
    Retries,
    /// An option with a wrong value, named.
    #[error("invalid value for {opt}: {reason}")]
    Value {
        /// The option.
        opt: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The template of `tag`.
    #[error("{0}")]
    Tag(String),
    /// No journal listens.
    #[error("journald is not enabled on this host")]
    NoJournal,
    /// None of the local syslog sockets is there.
    #[error("Unix syslog delivery error")]
    NoLocalSyslog,
    /// A connection could not be made.
    #[error("dial {network} {address}: {reason}")]
    Dial {
        /// `tcp`, `udp`, `unix` …
        network: &'static str,
        /// Where to.
        address: String,
        /// The system's words.
        reason: String,
    },
    /// A name has no address.
    #[error("dial {network}: lookup {host}: {reason}")]
    Lookup {
        /// `tcp`, `udp`.
        network: &'static str,
        /// The name.
        host: String,
        /// Why not.
        reason: String,
    },
    /// The GELF endpoint cannot be reached.
    #[error("gelf: cannot connect to GELF endpoint: {address} {source}")]
    GelfConnect {
        /// Where to.
        address: String,
        /// Why not.
        #[source]
        source: Box<Self>,
    },
    /// A certificate or key that cannot be used.
    #[error("could not load {what} {path}: {reason}")]
    Certificate {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A message could not be sent.
    #[error("{0}")]
    Send(#[source] io::Error),
    /// Something answered, but not what the protocol says.
    #[error("unexpected answer of the fluentd server")]
    Answer,
}

impl HasKind for ShipError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoJournal
            | Self::NoLocalSyslog
            | Self::Dial { .. }
            | Self::Lookup { .. }
            | Self::GelfConnect { .. }
            | Self::Send(_)
            | Self::Answer => ErrorKind::System,
            _ => ErrorKind::InvalidParameter,
        }
    }
}

/// A system error in the words that Go has for it.
pub(crate) fn go_words(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}
