//! Go's `strconv` number grammar and its error texts, as far as Docker shows them.

use std::num::IntErrorKind;

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A number that could not be parsed, worded as Go's `strconv.NumError`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumError {
    /// Not a number of the wanted form.
    #[error("strconv.{func}: parsing {input:?}: invalid syntax")]
    Syntax {
        /// The Go function whose name the message carries.
        func: &'static str,
        /// What was given.
        input: String,
    },
    /// A number that does not fit.
    #[error("strconv.{func}: parsing {input:?}: value out of range")]
    Range {
        /// The Go function whose name the message carries.
        func: &'static str,
        /// What was given.
        input: String,
    },
}

impl HasKind for NumError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

impl NumError {
    /// Go's bare reason (`invalid syntax` or `value out of range`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "invalid syntax",
            Self::Range { .. } => "value out of range",
        }
    }
}

fn map_int(func: &'static str, input: &str, kind: &IntErrorKind) -> NumError {
    match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => NumError::Range { func, input: input.to_owned() },
        _ => NumError::Syntax { func, input: input.to_owned() },
    }
}

/// `strconv.ParseInt(s, 10, 64)`.
pub fn parse_int(s: &str) -> Result<i64, NumError> {
    s.parse::<i64>().map_err(|e| map_int("ParseInt", s, e.kind()))
}

/// `strconv.Atoi(s)`.
pub fn atoi(s: &str) -> Result<i64, NumError> {
    s.parse::<i64>().map_err(|e| map_int("Atoi", s, e.kind()))
}

/// `strconv.ParseInt(s, 0, 64)`: base by prefix (`0x`, `0o`, `0`, `0b`), as pflag reads its integers.
pub fn parse_int_any_base(s: &str) -> Result<i64, NumError> {
    let (negative, digits) = match s.as_bytes().first() {
        Some(b'-') => (true, &s[1..]),
        Some(b'+') => (false, &s[1..]),
        _ => (false, s),
    };
    let magnitude = parse_magnitude("ParseInt", s, digits)?;
    let signed = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    i64::try_from(signed).map_err(|_| NumError::Range { func: "ParseInt", input: s.to_owned() })
}

/// `strconv.ParseUint(s, 0, bits)`.
pub fn parse_uint_any_base(s: &str, bits: u32) -> Result<u64, NumError> {
    let value = parse_magnitude("ParseUint", s, s)?;
    if bits < 64 && value >> bits != 0 {
        return Err(NumError::Range { func: "ParseUint", input: s.to_owned() });
    }
    Ok(value)
}

/// `strconv.ParseUint(s, radix, bits)`.
pub fn parse_uint(s: &str, radix: u32, bits: u32) -> Result<u64, NumError> {
    if s.starts_with('+') {
        return Err(NumError::Syntax { func: "ParseUint", input: s.to_owned() });
    }
    let value = u64::from_str_radix(s, radix).map_err(|e| map_int("ParseUint", s, e.kind()))?;
    if bits < 64 && value >> bits != 0 {
        return Err(NumError::Range { func: "ParseUint", input: s.to_owned() });
    }
    Ok(value)
}

fn parse_magnitude(func: &'static str, whole: &str, digits: &str) -> Result<u64, NumError> {
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    let body = body.replace('_', "");
    if body.starts_with(['+', '-']) {
        return Err(NumError::Syntax { func, input: whole.to_owned() });
    }
    u64::from_str_radix(&body, radix).map_err(|e| map_int(func, whole, e.kind()))
}

/// `strconv.ParseFloat(s, 64)` without hexadecimal floats.
pub fn parse_float(s: &str) -> Result<f64, NumError> {
    let syntax = || NumError::Syntax { func: "ParseFloat", input: s.to_owned() };
    let value: f64 = s.parse().map_err(|_| syntax())?;
    if value.is_infinite() && s.bytes().any(|b| b.is_ascii_digit()) {
        return Err(NumError::Range { func: "ParseFloat", input: s.to_owned() });
    }
    Ok(value)
}

/// `strconv.ParseBool(s)`.
pub fn parse_bool(s: &str) -> Result<bool, NumError> {
    match s {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(NumError::Syntax { func: "ParseBool", input: s.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_wording() {
        assert_eq!(parse_int("x").unwrap_err().to_string(), "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(
            parse_int("99999999999999999999").unwrap_err().to_string(),
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"
        );
        assert_eq!(parse_bool("yes").unwrap_err().to_string(), "strconv.ParseBool: parsing \"yes\": invalid syntax");
    }

    #[test]
    fn bases() {
        assert_eq!(parse_int_any_base("0x1f").unwrap(), 31);
        assert_eq!(parse_int_any_base("-010").unwrap(), -8);
        assert_eq!(parse_int_any_base("0").unwrap(), 0);
        assert!(parse_uint_any_base("70000", 16).is_err());
        assert_eq!(parse_uint("1777", 8, 32).unwrap(), 0o1777);
    }
}
