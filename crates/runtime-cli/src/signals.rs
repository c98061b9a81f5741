//! Signals by name and number.

use crate::error::{Error, Result};

/// Numbers of x86-64 and arm64.
const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// SIGKILL.
pub(crate) const KILL: i32 = 9;
/// SIGTERM.
pub(crate) const TERM: i32 = 15;
/// SIGCHLD.
pub(crate) const CHLD: i32 = 17;
/// SIGURG.
pub(crate) const URG: i32 = 23;
/// SIGWINCH.
pub(crate) const WINCH: i32 = 28;

/// Reads a number, or a name with or without `SIG`.
pub(crate) fn parse(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let found = SIGNALS.iter().find(|(own, _)| *own == name).map(|(_, number)| *number);
    let real_time = || {
        let (first, sign, rest) = name
            .strip_prefix("RTMIN")
            .map(|rest| (34, '+', rest))
            .or_else(|| Some((64, '-', name.strip_prefix("RTMAX")?)))?;
        if rest.is_empty() {
            return Some(first);
        }
        let offset: i32 = rest.strip_prefix(sign)?.parse().ok()?;
        let number = if sign == '+' { first + offset } else { first - offset };
        (34..=64).contains(&number).then_some(number)
    };
    found.or_else(real_time).ok_or_else(|| Error::Signal { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, number) in
            [("9", 9), ("KILL", 9), ("sigterm", 15), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("RTMAX", 64)]
        {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        assert_eq!(parse("FOO").unwrap_err().to_string(), "unknown signal \"FOO\"");
        assert!(parse("RTMIN+60").is_err());
    }
}
