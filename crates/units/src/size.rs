//! Sizes in bytes, both ways (the grammar and the wording of go-units).

use error::{ErrorKind, HasKind};
use thiserror::Error;

use crate::gofmt::format_g;
use crate::num::{NumError, parse_float};

/// A size that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// No number, or a negative one.
    #[error("invalid size: '{input}'")]
    Size {
        /// What was given.
        input: String,
    },
    /// An unknown unit.
    #[error("invalid suffix: '{suffix}'")]
    Suffix {
        /// The unit as it stood there.
        suffix: String,
    },
    /// The number itself is malformed.
    #[error(transparent)]
    Number(#[from] NumError),
}

impl HasKind for SizeError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// Reads a size with binary units: `64m` = 64 · 2²⁰ bytes. Units: b k m g t p, each also as `kb`, `KiB`.
pub fn ram_in_bytes(text: &str) -> Result<i64, SizeError> {
    parse(text, 1024.0)
}

/// Reads a size with decimal units: `64m` = 64 · 10⁶ bytes.
pub fn from_human_size(text: &str) -> Result<i64, SizeError> {
    parse(text, 1000.0)
}

fn parse(text: &str, base: f64) -> Result<i64, SizeError> {
    let invalid = || SizeError::Size { input: text.to_owned() };
    let separator = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(invalid)?;
    let (number, suffix) = if text.as_bytes()[separator] == b' ' {
        (&text[..separator], &text[separator + 1..])
    } else {
        (&text[..=separator], &text[separator + 1..])
    };
    let value = parse_float(number)?;
    if value < 0.0 {
        return Err(invalid());
    }
    let factor = if suffix.is_empty() { 1.0 } else { multiplier(suffix, base)? };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as a size of 8 EiB is no size")]
    Ok((value * factor) as i64)
}

fn multiplier(suffix: &str, base: f64) -> Result<f64, SizeError> {
    // A long suffix is reported as typed, a short one in lower case.
    if suffix.len() > 3 {
        return Err(SizeError::Suffix { suffix: suffix.to_owned() });
    }
    let lower = suffix.to_ascii_lowercase();
    let bad = || SizeError::Suffix { suffix: lower.clone() };
    let mut chars = lower.chars();
    let power = match chars.next() {
        Some('b') => return if lower.len() == 1 { Ok(1.0) } else { Err(bad()) },
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        _ => return Err(bad()),
    };
    match chars.as_str() {
        "" | "b" | "ib" => Ok(base.powi(power)),
        _ => Err(bad()),
    }
}

fn scale(mut size: f64, base: f64, units: &'static [&'static str]) -> (f64, &'static str) {
    let mut i = 0;
    while size >= base && i < units.len() - 1 {
        size /= base;
        i += 1;
    }
    (size, units[i])
}

/// A size with units of `base` and `precision` significant digits, e.g. `custom_size(2_300_000.0, 1000.0, 4, …)` = `2.3MB`.
pub fn custom_size(size: f64, base: f64, precision: usize, units: &'static [&'static str]) -> String {
    let (value, unit) = scale(size, base, units);
    format!("{}{unit}", format_g(value, precision))
}

/// Decimal units with `precision` significant digits (`docker ps -s`, `docker images` use 3).
pub fn human_size_with_precision(size: f64, precision: usize) -> String {
    custom_size(size, 1000.0, precision, &DECIMAL)
}

/// Decimal units with four significant digits: `2.746MB`.
pub fn human_size(size: f64) -> String {
    human_size_with_precision(size, 4)
}

/// Binary units with four significant digits: `32KiB`.
pub fn bytes_size(size: f64) -> String {
    custom_size(size, 1024.0, 4, &BINARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_binary() {
        for (text, want) in [
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32KiB", 32 << 10),
            ("32kb", 32 << 10),
            ("1.5 g", 3 << 29),
            ("64m", 64 << 20),
            ("2T", 2 << 40),
            ("1pb", 1 << 50),
            (".5k", 512),
        ] {
            assert_eq!(ram_in_bytes(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for (text, want) in [
            ("", "invalid size: ''"),
            ("hello", "invalid size: 'hello'"),
            ("-32", "invalid size: '-32'"),
            ("32mm", "invalid suffix: 'mm'"),
            ("32 KIC", "invalid suffix: 'kic'"),
            ("32bb", "invalid suffix: 'bb'"),
            ("1q", "invalid suffix: 'q'"),
            ("1kilo", "invalid suffix: 'kilo'"),
            (" 32", "strconv.ParseFloat: parsing \" 32\": invalid syntax"),
        ] {
            assert_eq!(ram_in_bytes(text).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn prints() {
        assert_eq!(human_size(1000.0), "1kB");
        assert_eq!(human_size(2_746_000.0), "2.746MB");
        assert_eq!(human_size(0.0), "0B");
        assert_eq!(human_size_with_precision(2_746_000.0, 3), "2.75MB");
        assert_eq!(human_size_with_precision(999_999.0, 3), "1e+03kB");
        assert_eq!(bytes_size(1024.0 * 1024.0 * 3.0), "3MiB");
        assert_eq!(bytes_size(1000.0), "1000B");
    }
}
