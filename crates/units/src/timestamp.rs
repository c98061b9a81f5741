//! `--since` / `--until` values and Go's renderings of a time.

use error::{ErrorKind, HasKind};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::duration::parse_duration;
use crate::gofmt::quote;

/// A time that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Nothing given.
    #[error("failed to parse value as time or duration: value is empty")]
    Empty,
    /// Looks like a date but is none; worded as Go's `time.Parse`.
    #[error("parsing time {} as {}: cannot parse {} as {}", quote(.input), quote(.layout), quote(.rest), quote(.element))]
    Layout {
        /// What was given.
        input: String,
        /// Go's layout that was tried.
        layout: &'static str,
        /// The part that did not fit.
        rest: String,
        /// The element of the layout it should have fitted.
        element: &'static str,
    },
    /// Neither a date nor a number of seconds.
    #[error("failed to parse value as time or duration: {}", seconds_reason(.seconds, .reason))]
    NeitherNor {
        /// The part before the dot.
        seconds: String,
        /// Go's reason.
        reason: &'static str,
    },
    /// A query parameter that is not `seconds[.nanos]`.
    #[error("invalid timestamp {}: {}", quote(.input), seconds_reason(.seconds, .reason))]
    Unix {
        /// What was given.
        input: String,
        /// The part before the dot.
        seconds: String,
        /// Go's reason.
        reason: &'static str,
    },
    /// The digits after the dot are none.
    #[error("invalid timestamp {}: invalid nanoseconds", quote(.input))]
    Nanos {
        /// What was given.
        input: String,
    },
}

fn seconds_reason(seconds: &str, reason: &str) -> String {
    format!("invalid seconds {}: {reason}", quote(seconds))
}

impl HasKind for TimestampError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Reads what a user types for `--since` / `--until`: a duration before `now`, a date or time (zone `local` when it has
/// none), or unix seconds with an optional fraction.
pub fn parse_user_time(text: &str, now: Timestamp, local: &TimeZone) -> Result<Timestamp, TimestampError> {
    if text.trim().is_empty() {
        return Err(TimestampError::Empty);
    }
    if text != "0"
        && let Ok(nanos) = parse_duration(text)
    {
        return Ok(now.saturating_sub(SignedDuration::from_nanos(nanos)).unwrap_or(Timestamp::MIN));
    }
    if let Some(time) = parse_civil(text, now, local) {
        return Ok(time);
    }
    if text.contains('-') {
        return Err(layout_error(text));
    }
    parse_seconds(text).map_err(|reason| TimestampError::NeitherNor {
        seconds: text.split('.').next().unwrap_or_default().to_owned(),
        reason,
    })
}

/// Reads `seconds[.nanoseconds]` of a query parameter.
pub fn parse_unix(text: &str) -> Result<Timestamp, TimestampError> {
    parse_seconds(text).map_err(|reason| match reason {
        "nanos" => TimestampError::Nanos { input: text.to_owned() },
        reason => TimestampError::Unix {
            input: text.to_owned(),
            seconds: text.split('.').next().unwrap_or_default().to_owned(),
            reason,
        },
    })
}

fn parse_seconds(text: &str) -> Result<Timestamp, &'static str> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = crate::num::parse_int(seconds).map_err(|e| e.reason())?;
    if fraction.len() > 20 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err("nanos");
    }
    let padded = format!("{fraction:0<9}");
    let nanos: i32 = padded[..9].parse().map_err(|_| "nanos")?;
    let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::new(seconds, nanos).map_err(|_| "value out of range")
}

fn parse_civil(text: &str, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    let (civil, zone) = split_zone(text, now, local)?;
    let datetime = match civil.split_once('T') {
        Some((date, time)) => date_of(date)?.to_datetime(time_of(time)?),
        None => date_of(civil)?.to_datetime(jiff::civil::Time::midnight()),
    };
    zone.to_timestamp(datetime).ok()
}

fn split_zone<'a>(text: &'a str, now: Timestamp, local: &TimeZone) -> Option<(&'a str, Zone)> {
    if let Some(civil) = text.strip_suffix(['Z', 'z']) {
        return Some((civil, Zone(Offset::UTC)));
    }
    if !text.contains('+') && text.matches('-').count() != 3 {
        return Some((text, Zone(local.to_offset(now))));
    }
    let at = text.rfind(['+', '-'])?;
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
    let signed = if text.as_bytes()[at] == b'-' { -seconds } else { seconds };
    Some((&text[..at], Zone(Offset::from_seconds(signed).ok()?)))
}

struct Zone(Offset);

impl Zone {
    fn to_timestamp(&self, datetime: DateTime) -> Result<Timestamp, jiff::Error> {
        self.0.to_timestamp(datetime)
    }
}

fn date_of(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn time_of(text: &str) -> Option<jiff::civil::Time> {
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next().map_or(Some(0), |m| m.parse().ok())?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (second, fraction) = text.split_once('.').unwrap_or((text, ""));
            let padded = format!("{fraction:0<9}");
            (second.parse().ok()?, padded.get(..9)?.parse().ok()?)
        }
    };
    if parts.next().is_some() {
        return None;
    }
    jiff::civil::Time::new(hour, minute, second, nanos).ok()
}

fn layout_error(text: &str) -> TimestampError {
    let layout = if text.contains('T') { "2006-01-02T15:04:05" } else { "2006-01-02" };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (rest, element) = if digits < 4 {
        (text, "2006")
    } else if text.as_bytes().get(4) != Some(&b'-') {
        (&text[4..], "-")
    } else {
        let month = text[5..].bytes().take_while(u8::is_ascii_digit).count();
        if month < 2 { (&text[5..], "01") } else { (text.get(8..).unwrap_or_default(), "02") }
    };
    TimestampError::Layout { input: text.to_owned(), layout, rest: rest.to_owned(), element }
}

/// RFC 3339 with as many decimals as needed (Go's `RFC3339Nano`), in UTC: `2026-01-02T03:04:05.67Z`.
pub fn rfc3339_nano(time: Timestamp) -> String {
    let datetime = Offset::UTC.to_datetime(time);
    format!("{}Z", civil_nano(datetime))
}

fn civil_nano(datetime: DateTime) -> String {
    let base = datetime.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let nanos = datetime.subsec_nanosecond();
    if nanos == 0 { base } else { format!("{base}.{}", format!("{nanos:09}").trim_end_matches('0')) }
}

/// Seconds and nine decimals, the form of `since`/`until` on the wire: `1700000000.000000000`.
pub fn unix_nanos(time: Timestamp) -> String {
    let nanos = time.as_nanosecond();
    format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
}

/// Go's `time.Time.String()` in the given zone: `2026-01-02 03:04:05 +0000 UTC`.
pub fn go_string(time: Timestamp, zone: &TimeZone) -> String {
    let zoned = time.to_zoned(zone.clone());
    let nanos = zoned.subsec_nanosecond();
    let fraction = if nanos == 0 { String::new() } else { format!(".{}", format!("{nanos:09}").trim_end_matches('0')) };
    format!("{}{fraction} {}", zoned.strftime("%Y-%m-%d %H:%M:%S"), zoned.strftime("%z %Z"))
}

/// Docker's `{{.CreatedAt}}`: like [`go_string`] without the fraction.
pub fn go_string_seconds(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        match parse_user_time(text, now, &TimeZone::UTC) {
            Ok(time) => rfc3339_nano(time),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn user_times() {
        for (text, want) in [
            ("1h", "2026-01-02T02:04:05Z"),
            ("2026-01-01", "2026-01-01T00:00:00Z"),
            ("2026-01-01T10", "2026-01-01T10:00:00Z"),
            ("2026-01-01T10:11", "2026-01-01T10:11:00Z"),
            ("2026-01-01T10:11:12.5Z", "2026-01-01T10:11:12.5Z"),
            ("2026-01-01T10:11:12+02:00", "2026-01-01T08:11:12Z"),
            ("2026-01-01T10:11:12-02:00", "2026-01-01T12:11:12Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.5", "2023-11-14T22:13:20.5Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("", "failed to parse value as time or duration: value is empty"),
            ("foo", "failed to parse value as time or duration: invalid seconds \"foo\": invalid syntax"),
        ] {
            assert_eq!(at(text), want, "{text}");
        }
    }

    #[test]
    fn wire() {
        let time = parse_unix("1700000000.000000001").unwrap();
        assert_eq!(unix_nanos(time), "1700000000.000000001");
        assert_eq!(
            parse_unix("x").unwrap_err().to_string(),
            "invalid timestamp \"x\": invalid seconds \"x\": invalid syntax"
        );
        assert_eq!(go_string(time, &TimeZone::UTC), "2023-11-14 22:13:20.000000001 +0000 UTC");
        assert_eq!(go_string_seconds(time, &TimeZone::UTC), "2023-11-14 22:13:20 +0000 UTC");
    }
}
