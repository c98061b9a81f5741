//! Go's `time.Duration`, both ways, and the words Docker makes of one.

use error::{ErrorKind, HasKind};
use thiserror::Error;

use crate::gofmt::quote;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// A duration that could not be parsed, in the words of Go's `time.ParseDuration`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not a duration at all, or too long.
    #[error("time: invalid duration {}", quote(.input))]
    Invalid {
        /// What was given.
        input: String,
    },
    /// A number without its unit.
    #[error("time: missing unit in duration {}", quote(.input))]
    MissingUnit {
        /// What was given.
        input: String,
    },
    /// A unit that is none.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.input))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// What was given.
        input: String,
    },
}

impl HasKind for DurationError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Reads a Go duration (`1h30m`, `-1.5s`, `100ms`, `0`) as nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid { input: text.to_owned() };
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => digits(tail),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let unit = &after[..end];
        if unit.is_empty() {
            return Err(DurationError::MissingUnit { input: text.to_owned() });
        }
        let nanos = unit_nanos(unit)
            .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), input: text.to_owned() })?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        total += u128::from(whole) * u128::from(nanos) + fraction_nanos(fraction, nanos);
        if total > 1 << 63 {
            return Err(invalid());
        }
        rest = &after[end..];
    }
    let signed = i128::try_from(total).map_err(|_| invalid())?;
    i64::try_from(if negative { -signed } else { signed }).map_err(|_| invalid())
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn fraction_nanos(fraction: &str, nanos: u64) -> u128 {
    let mut scale: u128 = 1;
    let mut value: u128 = 0;
    for digit in fraction.bytes().take(18) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    value * u128::from(nanos) / scale
}

/// Prints nanoseconds as Go prints a `time.Duration`: `1h30m0s`, `1.5s`, `100ms`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    if value < 1_000 {
        return format!("{sign}{value}ns");
    }
    if value < 1_000_000 {
        return format!("{sign}{}\u{b5}s", decimal(value, 1_000));
    }
    if value < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(value, 1_000_000));
    }
    let (hours, minutes) = (value / 3_600_000_000_000, value / 60_000_000_000 % 60);
    let seconds = decimal(value % 60_000_000_000, 1_000_000_000);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{seconds}s")
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

/// A duration (nanoseconds) in words: `Less than a second`, `About a minute`, `2 hours`, `3 weeks`.
pub fn human_duration(nanos: i64) -> String {
    let seconds = nanos / SECOND;
    if seconds < 1 {
        return "Less than a second".to_owned();
    }
    if seconds == 1 {
        return "1 second".to_owned();
    }
    if seconds < 60 {
        return format!("{seconds} seconds");
    }
    let minutes = seconds / 60;
    if minutes == 1 {
        return "About a minute".to_owned();
    }
    if minutes < 60 {
        return format!("{minutes} minutes");
    }
    // Hours are rounded to the nearest one.
    let hours = (nanos + 1_800 * SECOND) / (3_600 * SECOND);
    match hours {
        1 => "About an hour".to_owned(),
        h if h < 48 => format!("{h} hours"),
        h if h < 24 * 7 * 2 => format!("{} days", h / 24),
        h if h < 24 * 30 * 2 => format!("{} weeks", h / 24 / 7),
        h if h < 24 * 365 * 2 => format!("{} months", h / 24 / 30),
        _ => format!("{} years", seconds / 3_600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        for (text, want) in [
            ("0", 0),
            ("5s", 5 * SECOND),
            ("1.5h", 5_400 * SECOND),
            ("-1h30m", -5_400 * SECOND),
            ("+5s", 5 * SECOND),
            (".5s", SECOND / 2),
            ("1us", 1_000),
            ("1\u{b5}s", 1_000),
            ("3ns", 3),
            ("1h1m1s1ms", 3_661 * SECOND + 1_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("10", "time: missing unit in duration \"10\""),
            ("10x", "time: unknown unit \"x\" in duration \"10x\""),
            (".s", "time: invalid duration \".s\""),
            ("9223372036854775808s", "time: invalid duration \"9223372036854775808s\""),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn prints() {
        for (nanos, want) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (SECOND, "1s"),
            (90 * SECOND, "1m30s"),
            (5_400 * SECOND, "1h30m0s"),
            (-SECOND - 500_000_000, "-1.5s"),
        ] {
            assert_eq!(format_duration(nanos), want);
        }
    }

    #[test]
    fn words() {
        for (seconds, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (60, "About a minute"),
            (180, "3 minutes"),
            (3_600, "About an hour"),
            (35 * 3_600, "35 hours"),
            (48 * 3_600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(human_duration(seconds * SECOND), want, "{seconds}");
        }
    }

    proptest::proptest! {
        #[test]
        fn prints_what_it_reads(nanos in i64::MIN + 1..i64::MAX) {
            proptest::prop_assert_eq!(parse_duration(&format_duration(nanos)), Ok(nanos));
        }
    }
}
