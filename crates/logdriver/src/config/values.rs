//! The values of log options, parsed as Go's `strconv` and Docker's `go-units` do.

use super::OptError;

/// 1 kB is 1000 bytes.
pub const DECIMAL: f64 = 1000.0;
/// 1 KiB is 1024 bytes.
pub const BINARY: f64 = 1024.0;

/// A size such as `10m`, `1.5 GB`, `64KiB` (`units.FromHumanSize`, `units.RAMInBytes`).
///
/// # Errors
/// It is none.
pub fn size(text: &str, base: f64) -> Result<u64, OptError> {
    let Some(last) = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ') else {
        return Err(OptError::Size(text.to_owned()));
    };
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let syntax = || OptError::Syntax { function: "ParseFloat", value: number.to_owned() };
    if number.trim() != number {
        return Err(syntax());
    }
    let value: f64 = number.parse().map_err(|_| syntax())?;
    if value < 0.0 {
        return Err(OptError::Size(text.to_owned()));
    }
    let suffix = suffix.to_ascii_lowercase();
    let factor = match suffix.as_bytes() {
        [] | [b'b'] => 1.0,
        [unit] | [unit, b'b'] | [unit, b'i', b'b'] => match b"kmgtp".iter().position(|u| u == unit) {
            Some(n) => base.powi(i32::try_from(n).unwrap_or(0) + 1),
            None => return Err(OptError::SizeSuffix(suffix)),
        },
        _ => return Err(OptError::SizeSuffix(suffix)),
    };
    // Saturates; the fraction is dropped, as in Go.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is not negative; `as` saturates"
    )]
    Ok((value * factor) as u64)
}

/// A whole number, as `strconv.Atoi` reads it.
///
/// # Errors
/// It is none.
pub fn integer(text: &str) -> Result<i64, OptError> {
    text.parse().map_err(|_| OptError::Syntax { function: "Atoi", value: text.to_owned() })
}

/// A truth value, as `strconv.ParseBool` reads it.
///
/// # Errors
/// It is none.
pub fn boolean(text: &str) -> Result<bool, OptError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(OptError::Syntax { function: "ParseBool", value: text.to_owned() }),
    }
}

/// A regular expression over names.
#[derive(Debug)]
pub(super) struct Matcher {
    #[cfg(feature = "read")]
    regex: regex_lite::Regex,
}

impl Matcher {
    /// The shim's build has no regular expressions: it gets ready configurations and never comes here.
    #[cfg(not(feature = "read"))]
    pub(super) fn new(pattern: &str) -> Result<Self, OptError> {
        Err(OptError::Regex { pattern: pattern.to_owned(), reason: "not supported".to_owned() })
    }

    #[cfg(not(feature = "read"))]
    pub(super) fn is_match(&self, _name: &str) -> bool {
        false
    }

    #[cfg(feature = "read")]
    pub(super) fn new(pattern: &str) -> Result<Self, OptError> {
        match regex_lite::Regex::new(pattern) {
            Ok(regex) => Ok(Self { regex }),
            Err(e) => Err(OptError::Regex { pattern: pattern.to_owned(), reason: e.to_string() }),
        }
    }

    #[cfg(feature = "read")]
    pub(super) fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}
