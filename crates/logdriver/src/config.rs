//! Log options: which exist, what they mean, and Docker's words for the wrong ones.

pub mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use error::{ErrorKind, HasKind};
use serde::{Deserialize, Serialize};

use crate::encode::push_go_json_string;

/// The options of `--log-opt`, as the user gave them.
pub type LogOpts = BTreeMap<String, String>;

/// Gantry's bounds of a log whose options say nothing about its size: so many bytes a file …
pub const DEFAULT_MAX_SIZE: u64 = 20_000_000;
/// … and so many files.
pub const DEFAULT_MAX_FILE: u32 = 5;

/// The log drivers that gantry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DriverKind {
    /// Docker's default: JSON lines.
    #[serde(rename = "json-file")]
    JsonFile,
    /// The same files in a place of their own, which no other program is to read.
    #[serde(rename = "local")]
    Local,
    /// No log at all.
    #[serde(rename = "none")]
    None,
}

impl DriverKind {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::None => "none",
        }
    }
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
    /// `mode` is neither `blocking` nor `non-blocking`.
    #[error("logger: logging mode not supported: {0}")]
    UnknownMode(String),
    /// `max-buffer-size` without `mode=non-blocking`.
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    /// `max-buffer-size` is no size.
    #[error("error parsing option max-buffer-size: {0}")]
    BufferSize(#[source] Box<Self>),
    /// `cache-disabled` is no truth value.
    #[error("invalid value for option cache-disabled: {0}")]
    CacheDisabled(String),
    /// An option that driver `local` has not got.
    #[error("unknown log opt '{0}' for log driver local")]
    UnknownLocalOpt(String),
    /// `max-size` or `max-file` of driver `local` (or of the cache, which is one) is wrong.
    #[error("invalid value for {opt}: {value}: {source}")]
    LocalValue {
        /// The option's name.
        opt: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
    /// `compress` of driver `local` is no truth value.
    #[error("error reading compress log option: {0}")]
    LocalCompress(#[source] Box<Self>),
    /// Driver `local` would have nothing to compress.
    #[error("compression cannot be enabled when max file count is 1")]
    LocalCompressWithoutRotation,
    /// `max-file` of driver `local` is below zero.
    #[error("max file count cannot be less than 0")]
    LocalFilesNegative,
    /// An option that the driver has not got.
    #[error("unknown log opt '{opt}' for {driver} log driver")]
    UnknownOpt {
        /// The option's name.
        opt: String,
        /// The driver's name.
        driver: &'static str,
    },
    /// A size without digits, or below zero.
    #[error("invalid size: '{0}'")]
    Size(String),
    /// A size with an unknown unit.
    #[error("invalid suffix: '{0}'")]
    SizeSuffix(String),
    /// A number or truth value that is none; `function` is Go's parser, which the text names.
    #[error("strconv.{function}: parsing {value:?}: invalid syntax")]
    Syntax {
        /// `Atoi`, `ParseFloat` or `ParseBool`.
        function: &'static str,
        /// What was to be parsed.
        value: String,
    },
    /// `max-size` is zero.
    #[error("max-size must be a positive number")]
    MaxSizeNotPositive,
    /// `max-file` is zero or less.
    #[error("max-file cannot be less than 1")]
    MaxFileTooSmall,
    /// There is never a file to compress.
    #[error("compress cannot be true when max-file is less than 2 or max-size is not set")]
    CompressWithoutRotation,
    /// `labels-regex` or `env-regex` is no regular expression.
    #[error("error parsing regexp: {reason}: `{pattern}`")]
    Regex {
        /// The option's value.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl HasKind for OptError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// The options that every driver takes besides its own.
const COMMON: [&str; 6] =
    ["mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

/// Whether every driver takes this option.
#[must_use]
pub fn is_common_opt(name: &str) -> bool {
    COMMON.contains(&name)
}

/// Checks the values of the options that every driver has, as `docker create` does.
///
/// # Errors
/// The first that is wrong.
pub fn validate_common(opts: &LogOpts) -> Result<(), OptError> {
    let mode = opts.get("mode").map_or("", String::as_str);
    if !matches!(mode, "" | "blocking" | "non-blocking") {
        return Err(OptError::UnknownMode(mode.to_owned()));
    }
    if let Some(size) = opts.get("max-buffer-size") {
        if mode != "non-blocking" {
            return Err(OptError::BufferWithoutMode);
        }
        values::size(size, values::BINARY).map_err(|e| OptError::BufferSize(Box::new(e)))?;
    }
    match opts.get("cache-disabled").filter(|v| !v.is_empty()) {
        Some(v) if values::boolean(v).is_err() => Err(OptError::CacheDisabled(v.clone())),
        _ => Ok(()),
    }
}

/// Checks driver and options as `docker create` (and the daemon's own `log-opts`) does: the names of the options, and the values
/// of those that every driver has. What [`JsonFileConfig::from_opts`] refuses is refused at the start of a container.
/// An empty driver name is the default driver's. Drivers that send logs elsewhere are unknown here.
pub fn validate_opts(driver: &str, opts: &LogOpts) -> Result<DriverKind, OptError> {
    if driver == "none" {
        return Ok(DriverKind::None);
    }
    let common = validate_common(opts);
    if let Err(error @ (OptError::UnknownMode(_) | OptError::BufferWithoutMode | OptError::BufferSize(_))) = common {
        return Err(error);
    }
    let kind = match driver {
        "json-file" | "" => DriverKind::JsonFile,
        "local" => DriverKind::Local,
        _ => return Err(OptError::UnknownDriver(driver.to_owned())),
    };
    common?;
    const JSON_FILE: [&str; 8] =
        ["env", "env-regex", "labels", "labels-regex", "tag", "max-file", "max-size", "compress"];
    const LOCAL: [&str; 3] = ["max-file", "max-size", "compress"];
    let known: &[&str] = if kind == DriverKind::Local { &LOCAL } else { &JSON_FILE };
    match opts.keys().find(|key| !known.contains(&key.as_str()) && !is_common_opt(key)) {
        Some(opt) if kind == DriverKind::Local => Err(OptError::UnknownLocalOpt(opt.clone())),
        Some(opt) => Err(OptError::UnknownOpt { opt: opt.clone(), driver: "json-file" }),
        None => Ok(kind),
    }
}

impl JsonFileConfig {
    /// The settings that `opts` mean. If they say nothing about `max-size`, it is 20 MB (Docker: unbounded); if they say
    /// neither `max-size` nor `max-file` nor `compress`, 5 files are kept and the rotated ones compressed; else
    /// Docker's defaults hold for those two (1 file, not compressed). `labels` and `env` (`K=V`) are what the
    /// container has; `tag` is the rendered value of the `tag` option.
    pub fn from_opts(
        path: PathBuf,
        opts: &LogOpts,
        labels: &BTreeMap<String, String>,
        env: &[String],
        tag: Option<&str>,
    ) -> Result<Self, OptError> {
        let given = |key: &str| opts.get(key).map(String::as_str);
        let untouched = ["max-size", "max-file", "compress"].iter().all(|key| given(key).is_none());
        let max_size = match given("max-size") {
            Some(size) => match values::size(size, values::DECIMAL)? {
                0 => return Err(OptError::MaxSizeNotPositive),
                size => size,
            },
            None => DEFAULT_MAX_SIZE,
        };
        let max_file = match given("max-file") {
            Some(n) => match u32::try_from(values::integer(n)?) {
                Ok(n) if n >= 1 => n,
                _ => return Err(OptError::MaxFileTooSmall),
            },
            None if untouched => DEFAULT_MAX_FILE,
            None => 1,
        };
        let compress = match given("compress") {
            Some(yes) => values::boolean(yes)?,
            None => untouched,
        };
        if compress && max_file < 2 {
            return Err(OptError::CompressWithoutRotation);
        }
        let mut attrs = extra_attributes(opts, labels, env)?;
        if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
            attrs.insert("tag", tag);
        }
        Ok(Self { path, max_size: Some(max_size), max_file, compress, attrs: json_object(&attrs) })
    }
}

impl JsonFileConfig {
    /// The settings of driver `local`, or, with the prefix `cache-`, of the cache of a driver that sends logs elsewhere.
    ///
    /// # Errors
    /// A value that is none.
    pub fn local(path: PathBuf, opts: &LogOpts, prefix: &str) -> Result<Self, OptError> {
        let given = |name: &str| opts.get(&format!("{prefix}{name}")).map(String::as_str);
        let wrong = |opt: &'static str, value: &str| {
            let value = value.to_owned();
            move |e| OptError::LocalValue { opt, value, source: Box::new(e) }
        };
        let max_size = match given("max-size") {
            Some(size) => values::size(size, values::DECIMAL).map_err(wrong("max-size", size))?,
            None => 20 << 20,
        };
        let max_file = match given("max-file") {
            Some(n) => values::integer(n).map_err(wrong("max-file", n))?,
            None => i64::from(DEFAULT_MAX_FILE),
        };
        let compress = match given("compress") {
            Some(yes) => values::boolean(yes).map_err(|e| OptError::LocalCompress(Box::new(e)))?,
            None => true,
        };
        let max_file = u32::try_from(max_file).map_err(|_| OptError::LocalFilesNegative)?;
        if compress && max_file <= 1 {
            return Err(OptError::LocalCompressWithoutRotation);
        }
        Ok(Self { path, max_size: Some(max_size).filter(|s| *s > 0), max_file: max_file.max(1), compress, attrs: None })
    }
}

/// The labels and environment variables that the options ask for, as Docker's `Info.ExtraAttributes` chooses them.
///
/// # Errors
/// A regular expression that is none.
pub fn extra_attributes<'a>(
    opts: &LogOpts,
    labels: &'a BTreeMap<String, String>,
    env: &'a [String],
) -> Result<BTreeMap<&'a str, &'a str>, OptError> {
    let labels: BTreeMap<&str, &str> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let env: BTreeMap<&str, &str> = env.iter().filter_map(|e| e.split_once('=')).collect();
    let mut extra = BTreeMap::new();
    for (source, names, pattern) in [(&labels, "labels", "labels-regex"), (&env, "env", "env-regex")] {
        if let Some(names) = opts.get(names) {
            extra.extend(names.split(',').filter_map(|name| source.get_key_value(name)));
        }
        if let Some(pattern) = opts.get(pattern).filter(|p| !p.is_empty()) {
            let matcher = values::Matcher::new(pattern)?;
            extra.extend(source.iter().filter(|(name, _)| matcher.is_match(name)));
        }
    }
    Ok(extra)
}

fn json_object(attrs: &BTreeMap<&str, &str>) -> Option<String> {
    if attrs.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    for (key, value) in attrs {
        out.push(if out.is_empty() { b'{' } else { b',' });
        push_go_json_string(&mut out, key);
        out.push(b':');
        push_go_json_string(&mut out, value);
    }
    out.push(b'}');
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
