//! Ulimits, CPUs, devices and block-IO limits.

use error::{ErrorKind, HasKind};
use thiserror::Error;

use crate::num::{NumError, parse_int, parse_uint};
use crate::size::ram_in_bytes;

/// A limit or device that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// No `=` in a ulimit.
    #[error("invalid ulimit argument: {text}")]
    Ulimit {
        /// What was given.
        text: String,
    },
    /// No such ulimit.
    #[error("invalid ulimit type: {name}")]
    UlimitType {
        /// The name.
        name: String,
    },
    /// More than `soft:hard`.
    #[error("too many limit value arguments - {text}, can only have up to two, `soft[:hard]`")]
    UlimitValues {
        /// The values as given.
        text: String,
    },
    /// Soft above hard.
    #[error("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")]
    UlimitOrder {
        /// Soft limit.
        soft: i64,
        /// Hard limit.
        hard: i64,
    },
    /// Soft unlimited, hard not.
    #[error("ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}")]
    UlimitUnlimited {
        /// Hard limit.
        hard: i64,
    },
    /// A number is malformed.
    #[error(transparent)]
    Number(#[from] NumError),
    /// Not a number of CPUs.
    #[error("failed to parse {text} as a rational number")]
    Cpus {
        /// What was given.
        text: String,
    },
    /// More than nine decimals.
    #[error("value is too precise")]
    CpusPrecision,
    /// Not a device mapping.
    #[error("bad format for path: {text}")]
    DevicePath {
        /// What was given.
        text: String,
    },
    /// Not a device mapping.
    #[error("invalid device specification: {text}")]
    DeviceSpec {
        /// What was given.
        text: String,
    },
    /// Permissions are letters of `rwm`.
    #[error("bad mode specified: {text}")]
    DeviceMode {
        /// What was given.
        text: String,
    },
    /// A device path that is not absolute.
    #[error("{path} is not an absolute path")]
    DeviceNotAbsolute {
        /// The path.
        path: String,
    },
    /// Not a cgroup rule.
    #[error("invalid device cgroup format '{text}'")]
    DeviceRule {
        /// What was given.
        text: String,
    },
    /// No `path:` prefix.
    #[error("bad format: {text}")]
    Throttle {
        /// What was given.
        text: String,
    },
    /// A throttle on something that is no device.
    #[error("bad format for device path: {text}")]
    ThrottlePath {
        /// What was given.
        text: String,
    },
    /// Not a rate in bytes.
    #[error(
        "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
    )]
    ThrottleBps {
        /// What was given.
        text: String,
    },
    /// Not a rate in operations.
    #[error(
        "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer"
    )]
    ThrottleIops {
        /// What was given.
        text: String,
    },
    /// Not a weight.
    #[error("invalid weight for device: {text}")]
    Weight {
        /// What was given.
        text: String,
    },
}

impl HasKind for LimitError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// `--ulimit name=soft[:hard]`; -1 is unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Lower-case name without `RLIMIT_`.
    pub name: String,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

/// The names `--ulimit` knows.
pub const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

impl Ulimit {
    /// Reads one `--ulimit` value.
    pub fn parse(text: &str) -> Result<Self, LimitError> {
        let (name, values) = text.split_once('=').ok_or_else(|| LimitError::Ulimit { text: text.to_owned() })?;
        if !ULIMITS.contains(&name) {
            return Err(LimitError::UlimitType { name: name.to_owned() });
        }
        let parts: Vec<&str> = values.split(':').collect();
        let (soft, hard) = match parts.as_slice() {
            [one] => {
                let soft = parse_int(one)?;
                (soft, soft)
            }
            [soft, hard] => {
                let hard = parse_int(hard)?;
                (parse_int(soft)?, hard)
            }
            _ => return Err(LimitError::UlimitValues { text: values.to_owned() }),
        };
        if hard != -1 {
            if soft == -1 {
                return Err(LimitError::UlimitUnlimited { hard });
            }
            if soft > hard {
                return Err(LimitError::UlimitOrder { soft, hard });
            }
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }
}

/// Reads `--cpus` (a decimal number or a fraction) as billionths of a CPU.
pub fn parse_cpus(text: &str) -> Result<i64, LimitError> {
    let bad = || LimitError::Cpus { text: text.to_owned() };
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (numerator, denominator) = match body.split_once('/') {
        Some((a, b)) => {
            let a: i128 = digits(a).ok_or_else(bad)?;
            let b: i128 = digits(b).filter(|b| *b != 0).ok_or_else(bad)?;
            (a.checked_mul(1_000_000_000).ok_or_else(bad)?, b)
        }
        None => decimal_nanos(body).ok_or_else(bad)?,
    };
    if numerator % denominator != 0 {
        return Err(LimitError::CpusPrecision);
    }
    let nanos = i64::try_from(numerator / denominator).map_err(|_| bad())?;
    Ok(if negative { -nanos } else { nanos })
}

fn digits(text: &str) -> Option<i128> {
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        None
    } else {
        text.parse().ok()
    }
}

fn decimal_nanos(body: &str) -> Option<(i128, i128)> {
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(i) => (&body[..i], body[i + 1..].parse::<i32>().ok().filter(|e| e.abs() < 20)?),
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let all: i128 = digits(&format!("0{whole}{fraction}")).or(None)?;
    let shift = 9 + exponent - i32::try_from(fraction.len()).ok()?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { Some((all.checked_mul(power)?, 1)) } else { Some((all, power)) }
}

/// `--device host[:container[:permissions]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Letters of `rwm`.
    pub permissions: String,
}

/// Whether the text is a set of `r`, `w`, `m`, each at most once.
pub fn valid_device_mode(mode: &str) -> bool {
    let mut seen = [false; 3];
    !mode.is_empty()
        && mode.bytes().all(|b| {
            let Some(i) = [b'r', b'w', b'm'].iter().position(|x| *x == b) else { return false };
            !std::mem::replace(&mut seen[i], true)
        })
}

impl DeviceMapping {
    /// Splits a mapping (the shape that is sent); see [`validate_device`] for the checks made on the flag.
    pub fn parse(text: &str) -> Result<Self, LimitError> {
        let parts: Vec<&str> = text.split(':').collect();
        let mut permissions = "rwm";
        let (host, container) = match parts.as_slice() {
            [host] => (*host, ""),
            [host, second] if valid_device_mode(second) => {
                permissions = second;
                (*host, "")
            }
            [host, container] => (*host, *container),
            [host, container, mode] => {
                permissions = mode;
                (*host, *container)
            }
            _ => return Err(LimitError::DeviceSpec { text: text.to_owned() }),
        };
        let container = if container.is_empty() { host } else { container };
        Ok(Self { host: host.to_owned(), container: container.to_owned(), permissions: permissions.to_owned() })
    }
}

/// The checks the client makes of a `--device` value; gives the value with the container's path cleaned.
pub fn validate_device(text: &str) -> Result<String, LimitError> {
    if text.matches(':').count() > 2 || text.is_empty() {
        return Err(LimitError::DevicePath { text: text.to_owned() });
    }
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    if parts[0].is_empty() {
        return Err(LimitError::DevicePath { text: text.to_owned() });
    }
    let absolute = |path: &str| {
        if path.starts_with('/') {
            Ok(crate::volume::clean_path(path))
        } else {
            Err(LimitError::DeviceNotAbsolute { path: path.to_owned() })
        }
    };
    match parts.as_slice() {
        [one] => {
            let container = absolute(one)?;
            Ok(container)
        }
        [host, second] if valid_device_mode(second) => {
            absolute(host)?;
            Ok(text.to_owned())
        }
        [host, container] => Ok(format!("{host}:{}", absolute(container)?)),
        [host, container, mode] => {
            let container = absolute(container)?;
            if !valid_device_mode(mode) {
                return Err(LimitError::DeviceMode { text: (*mode).to_owned() });
            }
            Ok(format!("{host}:{container}:{mode}"))
        }
        _ => Err(LimitError::DevicePath { text: text.to_owned() }),
    }
}

/// Checks a `--device-cgroup-rule` value (`c 1:3 rwm`).
pub fn validate_device_rule(text: &str) -> Result<(), LimitError> {
    let bad = || LimitError::DeviceRule { text: text.to_owned() };
    let mut parts = text.split(' ');
    let (Some(kind), Some(numbers), Some(access), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad());
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let number = |n: &str| n == "*" || (!n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let access_ok = (1..=3).contains(&access.len()) && access.bytes().all(|b| b"rwm".contains(&b));
    if matches!(kind, "a" | "b" | "c") && number(major) && number(minor) && access_ok { Ok(()) } else { Err(bad()) }
}

/// A limit of a block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLimit {
    /// Path of the device.
    pub path: String,
    /// Bytes or operations per second, or a weight.
    pub value: u64,
}

fn device_limit(text: &str) -> Result<(&str, &str), LimitError> {
    let (path, value) = text
        .split_once(':')
        .filter(|(path, _)| !path.is_empty())
        .ok_or_else(|| LimitError::Throttle { text: text.to_owned() })?;
    if !path.starts_with("/dev/") {
        return Err(LimitError::ThrottlePath { text: text.to_owned() });
    }
    Ok((path, value))
}

/// `--device-read-bps`, `--device-write-bps`: `path:rate[unit]`.
pub fn parse_throttle_bps(text: &str) -> Result<DeviceLimit, LimitError> {
    let (path, value) = device_limit(text)?;
    let value = ram_in_bytes(value).ok().and_then(|rate| u64::try_from(rate).ok());
    let value = value.ok_or_else(|| LimitError::ThrottleBps { text: text.to_owned() })?;
    Ok(DeviceLimit { path: path.to_owned(), value })
}

/// `--device-read-iops`, `--device-write-iops`: `path:rate`.
pub fn parse_throttle_iops(text: &str) -> Result<DeviceLimit, LimitError> {
    let (path, value) = device_limit(text)?;
    let value = parse_uint(value, 10, 64).map_err(|_| LimitError::ThrottleIops { text: text.to_owned() })?;
    Ok(DeviceLimit { path: path.to_owned(), value })
}

/// `--blkio-weight-device`: `path:weight`, weight 0 or 10–1000.
pub fn parse_weight_device(text: &str) -> Result<DeviceLimit, LimitError> {
    let (path, value) = device_limit(text)?;
    let weight = parse_uint(value, 10, 16).ok().filter(|w| *w == 0 || (10..=1000).contains(w));
    let value = weight.ok_or_else(|| LimitError::Weight { text: text.to_owned() })?;
    Ok(DeviceLimit { path: path.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits() {
        assert_eq!(Ulimit::parse("nofile=10:20").unwrap(), Ulimit { name: "nofile".into(), soft: 10, hard: 20 });
        assert_eq!(Ulimit::parse("core=-1").unwrap().hard, -1);
        for (text, want) in [
            ("x", "invalid ulimit argument: x"),
            ("x=1", "invalid ulimit type: x"),
            ("core=a", "strconv.ParseInt: parsing \"a\": invalid syntax"),
            ("core=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            ("core=-1:1", "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1"),
            ("core=1:2:3", "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"),
        ] {
            assert_eq!(Ulimit::parse(text).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn cpus() {
        for (text, want) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            (".25", 250_000_000),
            ("1/4", 250_000_000),
            ("1e-1", 100_000_000),
            ("-1", -1_000_000_000),
        ] {
            assert_eq!(parse_cpus(text), Ok(want), "{text}");
        }
        assert_eq!(parse_cpus("x").unwrap_err().to_string(), "failed to parse x as a rational number");
        assert_eq!(parse_cpus("1.0000000001").unwrap_err().to_string(), "value is too precise");
    }

    #[test]
    fn devices() {
        let d = DeviceMapping::parse("/dev/a:/dev/b:r").unwrap();
        assert_eq!((d.host.as_str(), d.container.as_str(), d.permissions.as_str()), ("/dev/a", "/dev/b", "r"));
        assert_eq!(DeviceMapping::parse("/dev/a:rw").unwrap().container, "/dev/a");
        assert_eq!(validate_device("/dev/a:/dev/b:x").unwrap_err().to_string(), "bad mode specified: x");
        assert_eq!(validate_device("a").unwrap_err().to_string(), "a is not an absolute path");
        assert!(validate_device_rule("c 1:* rwm").is_ok());
        assert_eq!(validate_device_rule("x").unwrap_err().to_string(), "invalid device cgroup format 'x'");
    }

    #[test]
    fn throttles() {
        assert_eq!(parse_throttle_bps("/dev/sda:1mb").unwrap().value, 1 << 20);
        assert_eq!(parse_throttle_iops("/dev/sda:7").unwrap().value, 7);
        assert_eq!(parse_weight_device("/dev/sda:5").unwrap_err().to_string(), "invalid weight for device: /dev/sda:5");
    }
}
