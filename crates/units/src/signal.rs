//! Signal names and numbers (x86-64 and arm64 Linux share them).

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A signal nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid signal: {text}")]
pub struct SignalError {
    /// What was given.
    pub text: String,
}

impl HasKind for SignalError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

const SIGNALS: [(&str, i32); 39] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
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
    ("CLD", 17),
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
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("UNUSED", 31),
    ("RTMIN", RTMIN),
    ("RTMAX", RTMAX),
    ("LOST", 29),
    ("INFO", 30),
];

/// The first real-time signal an application may use (glibc keeps 32 and 33).
pub const RTMIN: i32 = 34;
/// The last real-time signal.
pub const RTMAX: i32 = 64;

/// Reads `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-1`. Zero is refused.
pub fn parse_signal(text: &str) -> Result<i32, SignalError> {
    let bad = || SignalError { text: text.to_owned() };
    if let Ok(number) = text.parse::<i32>() {
        return if number == 0 { Err(bad()) } else { Ok(number) };
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return offset.parse().ok().filter(|o| (1..=15).contains(o)).map(|o: i32| RTMIN + o).ok_or_else(bad);
    }
    if let Some(offset) = name.strip_prefix("RTMAX-") {
        return offset.parse().ok().filter(|o| (1..=14).contains(o)).map(|o: i32| RTMAX - o).ok_or_else(bad);
    }
    // The two names of other systems at the table's end are accepted by nobody.
    SIGNALS[..37].iter().find(|(known, _)| *known == name).map(|(_, number)| *number).ok_or_else(bad)
}

/// Whether Linux has a signal of this number.
pub fn is_valid(number: i32) -> bool {
    (1..=31).contains(&number) || (RTMIN..=RTMAX).contains(&number)
}

/// The name without `SIG`, for 1–31 and the real-time range.
pub fn signal_name(number: i32) -> Option<String> {
    if let Some((name, _)) = SIGNALS[..37].iter().find(|(_, n)| *n == number) {
        return Some((*name).to_owned());
    }
    match number {
        35..=49 => Some(format!("RTMIN+{}", number - RTMIN)),
        50..=63 => Some(format!("RTMAX-{}", RTMAX - number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (text, want) in
            [("9", 9), ("kill", 9), ("SIGKILL", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("RTMIN", 34), ("winch", 28)]
        {
            assert_eq!(parse_signal(text), Ok(want), "{text}");
        }
        assert_eq!(parse_signal("nope").unwrap_err().to_string(), "invalid signal: nope");
        assert!(parse_signal("0").is_err());
        assert_eq!(signal_name(15).as_deref(), Some("TERM"));
        for n in (1..=31).chain(34..=64) {
            assert_eq!(parse_signal(&signal_name(n).unwrap()), Ok(n));
        }
    }
}
