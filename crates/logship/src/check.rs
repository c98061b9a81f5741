//! Which drivers there are, and whether their options are right, in Docker's words.

use logdriver::{LogOpts, OptError, is_common_opt, validate_common, values};

use crate::ShipError;
use crate::address::Address;
use crate::{duration, fluentd, gelf, syslog};

/// All log drivers, as `docker info` lists them.
pub const NAMES: [&str; 6] = ["fluentd", "gelf", "journald", "json-file", "local", "syslog"];

/// Whether the driver sends logs elsewhere.
#[must_use]
pub fn is_remote(driver: &str) -> bool {
    matches!(driver, "syslog" | "gelf" | "fluentd" | "journald")
}

/// Checks driver and options as `docker create` does, for all drivers.
///
/// # Errors
/// The first that is wrong.
pub fn validate_opts(driver: &str, opts: &LogOpts) -> Result<(), ShipError> {
    if !is_remote(driver) {
        logdriver::validate_opts(driver, opts)?;
        return Ok(());
    }
    validate_common(opts)?;
    match driver {
        "syslog" => {
            known(
                "syslog",
                opts,
                &[
                    "env",
                    "env-regex",
                    "labels",
                    "labels-regex",
                    "syslog-address",
                    "syslog-facility",
                    "syslog-tls-ca-cert",
                    "syslog-tls-cert",
                    "syslog-tls-key",
                    "syslog-tls-skip-verify",
                    "tag",
                    "syslog-format",
                ],
            )?;
            syslog::Settings::parse(opts).map(drop)
        }
        "gelf" => gelf::Settings::parse(opts).map(drop),
        "fluentd" => {
            known(
                "fluentd",
                opts,
                &[
                    "env",
                    "env-regex",
                    "labels",
                    "labels-regex",
                    "tag",
                    "fluentd-address",
                    "fluentd-async",
                    "fluentd-async-reconnect-interval",
                    "fluentd-buffer-limit",
                    "fluentd-max-retries",
                    "fluentd-request-ack",
                    "fluentd-retry-wait",
                    "fluentd-sub-second-precision",
                    "fluentd-write-timeout",
                ],
            )?;
            fluentd::Settings::parse(opts).map(drop)
        }
        _ => known("journald", opts, &["labels", "labels-regex", "env", "env-regex", "tag"]),
    }
}

fn known(driver: &'static str, opts: &LogOpts, names: &[&str]) -> Result<(), ShipError> {
    match opts.keys().find(|k| !names.contains(&k.as_str()) && !is_common_opt(k)) {
        Some(opt) => Err(OptError::UnknownOpt { opt: opt.clone(), driver }.into()),
        None => Ok(()),
    }
}

/// The value of an option that is there and not empty.
pub(crate) fn given<'a>(opts: &'a LogOpts, name: &str) -> Option<&'a str> {
    opts.get(name).map(String::as_str).filter(|v| !v.is_empty())
}

/// A truth value; false if it is not there.
pub(crate) fn flag(opts: &LogOpts, name: &str) -> Result<bool, ShipError> {
    Ok(given(opts, name).map_or(Ok(false), values::boolean)?)
}

/// A duration in nanoseconds.
pub(crate) fn nanos(opts: &LogOpts, name: &str) -> Result<Option<i64>, ShipError> {
    given(opts, name).map(duration::parse).transpose()
}

/// An address of a socket, which must be there.
pub(crate) fn socket(address: &Address) -> Result<String, ShipError> {
    match std::fs::metadata(&address.path) {
        Ok(_) => Ok(address.path.clone()),
        Err(e) => Err(ShipError::Stat { path: address.path.clone(), reason: crate::failure::go_words(&e) }),
    }
}

#[cfg(test)]
mod tests;
