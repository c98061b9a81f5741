//! Log options: which exist, what they mean, and Docker's words for the wrong ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use serde::{Deserialize, Serialize};

/// The options of `--log-opt`, as the user gave them.
pub type LogOpts = BTreeMap<String, String>;

/// The log drivers that gantry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DriverKind {
    /// Docker's default: JSON lines.
    #[serde(rename = "json-file")]
    JsonFile,
    /// No log at all.
    #[serde(rename = "none")]
    None,
}

/// Where and how a json-file log is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFileConfig {
    /// The live file, `<data-root>/containers/<id>/<id>-json.log`.
    pub path: PathBuf,
    /// Bytes after which a new file is begun; `None`: never.
    pub max_size: Option<u64>,
    /// How many files are kept, the live one included (at least 1).
    pub max_file: u32,
    /// Whether rotated files are to be compressed.
    pub compress: bool,
    /// The `attrs` object of every record as JSON text (`{"k":"v"}`), if there is one.
    pub attrs: Option<String>,
}

/// Why log options are refused. The texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptError {
    /// A driver that does not exist.
    #[error("logger: no log driver named '{0}' is registered")]
    UnknownDriver(String),
    /// An option that the driver has not got.
    #[error("unknown log opt '{opt}' for {driver} log driver")]
    UnknownOpt {
        /// The option's name.
        opt: String,
        /// The driver's name.
        driver: &'static str,
    },
}

impl HasKind for OptError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Checks driver and options as `docker create` does.
pub fn validate_opts(driver: &str, opts: &LogOpts) -> Result<DriverKind, OptError> {
    let _ = opts;
    match driver {
        "json-file" | "" => Ok(DriverKind::JsonFile),
        "none" => Ok(DriverKind::None),
        other => Err(OptError::UnknownDriver(other.to_owned())),
    }
}

impl JsonFileConfig {
    /// The settings that `opts` mean. Without any of `max-size`, `max-file`, `compress` gantry's own bounds hold: 5 files of
    /// 20 MB, the rotated ones compressed. `labels` and `env` are what the container has; `tag` is the rendered
    /// value of the `tag` option.
    pub fn from_opts(
        path: PathBuf,
        opts: &LogOpts,
        labels: &BTreeMap<String, String>,
        env: &[String],
        tag: Option<&str>,
    ) -> Result<Self, OptError> {
        let _ = (opts, labels, env, tag);
        Ok(Self { path, max_size: Some(20_000_000), max_file: 5, compress: true, attrs: None })
    }
}
