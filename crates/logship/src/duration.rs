//! Durations as Go's `time.ParseDuration` reads them.

use crate::ShipError;

/// Nanoseconds in each unit.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];

/// Nanoseconds; negative if it says so.
pub(crate) fn parse(text: &str) -> Result<i64, ShipError> {
    let invalid = || ShipError::Duration(format!("invalid duration {text:?}"));
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if unit.is_empty() {
            return Err(ShipError::Duration(format!("missing unit in duration {text:?}")));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(ShipError::Duration(format!("unknown unit {unit:?} in duration {text:?}")));
        };
        total += number * factor;
        rest = tail;
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates; options are not that long")]
    Ok((sign * total) as i64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations() {
        let parse = |t: &str| parse(t).map_err(|e| e.to_string());
        assert_eq!(parse("1h2m3.5s"), Ok(3_723_500_000_000));
        assert_eq!(parse("-100ms"), Ok(-100_000_000));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("x"), Err("time: invalid duration \"x\"".to_owned()));
        assert_eq!(parse("-1"), Err("time: missing unit in duration \"-1\"".to_owned()));
        assert_eq!(parse("1y"), Err("time: unknown unit \"y\" in duration \"1y\"".to_owned()));
    }
}
