//! Container logs in Docker's `json-file` format: a [`Writer`] (used by the shim) and a [`Reader`] (used by the
//! daemon) that share nothing but files, so that either may die, be upgraded or be missing.
//!
//! On disk: `<path>` is the live file, `<path>.1` the one before, … `<path>.<max-file − 1>` the oldest; rotated files may be
//! compressed (`.gz`). Rotation is a handful of renames under a lock on the directory (`flock`), which a reader and the
//! compressor take while they look files up. One record per line:
//! `{"log":"text\n","stream":"stdout","attrs":{…},"time":"2006-01-02T15:04:05.999999999Z"}`; a line longer than
//! 16 KiB becomes several records, of which only the last ends with `\n`.

mod config;
mod dirlock;
mod encode;
mod failure;
mod timestamp;
mod writer;

#[cfg(feature = "read")]
mod compress;
#[cfg(feature = "read")]
mod files;
#[cfg(feature = "read")]
mod reader;

pub use config::{
    DEFAULT_MAX_FILE, DEFAULT_MAX_SIZE, DriverKind, JsonFileConfig, LogOpts, OptError, extra_attributes, is_common_opt,
    validate_common, validate_opts, values,
};
pub use failure::LogError;
pub use timestamp::{format_rfc3339_nano, parse_rfc3339};
pub use writer::{PARTIAL_MAX, Writer, Written};

#[cfg(feature = "read")]
pub use compress::compress_rotated;
#[cfg(feature = "read")]
pub use reader::{Entry, Next, Position, ReadOptions, Reader};

/// Which output of the container a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// File descriptor 1 (also everything a terminal shows).
    Stdout,
    /// File descriptor 2.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`, as the record has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
