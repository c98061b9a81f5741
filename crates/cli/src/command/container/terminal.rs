//! The user's terminal: raw mode, detach keys.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::{Failure, Result};

/// Puts the terminals on stdin and stdout into raw mode; they are as before when this is dropped.
#[derive(Debug)]
pub(crate) struct RawMode {
    input: Option<Termios>,
}

impl RawMode {
    /// Raw mode, if stdin is a terminal.
    pub(crate) fn enter() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self { input: None } };
        let mut raw = before.clone();
        raw.make_raw();
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &raw);
        Self { input: Some(before) }
    }

    /// As before; may be called more than once.
    pub(crate) fn restore(&mut self) {
        if let Some(before) = self.input.take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.restore();
    }
}

/// The keys that detach when nothing else is configured: ctrl-p ctrl-q.
pub(crate) const DEFAULT_KEYS: [u8; 2] = [16, 17];

/// Reads `ctrl-p,ctrl-q` and the like.
pub(crate) fn parse_keys(text: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(DEFAULT_KEYS.to_vec());
    }
    text.split(',')
        .map(key_code)
        .collect::<std::result::Result<_, _>>()
        .map_err(|bad| Failure::new(format!("invalid detach keys ({text}): Unknown character: '{bad}'")))
}

fn key_code(key: &str) -> std::result::Result<u8, String> {
    if let [one] = key.as_bytes() {
        return Ok(*one);
    }
    if key == "DEL" {
        return Ok(127);
    }
    match key.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([b'@']) => Ok(0),
        Some([c @ b'a'..=b'z']) => Ok(c - b'a' + 1),
        Some([b'[']) => Ok(27),
        Some([b'\\']) => Ok(28),
        Some([b']']) => Ok(29),
        Some([b'^']) => Ok(30),
        Some([b'_']) => Ok(31),
        _ => Err(key.to_owned()),
    }
}

/// Looks for the detach keys in what is typed.
#[derive(Debug)]
pub(crate) struct EscapeFilter {
    keys: Vec<u8>,
    matched: usize,
}

impl EscapeFilter {
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// What of the input is to be sent on, and whether the sequence is complete. A beginning of the sequence is held
    /// back until it is clear what it is.
    pub(crate) fn feed(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(input.len());
        for &byte in input {
            if self.keys.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(self.keys.first() == Some(&byte));
            if self.matched == 0 {
                out.push(byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(parse_keys("ctrl-p,a,DEL").unwrap(), [16, b'a', 127]);
        assert_eq!(parse_keys("ctrl-P").unwrap_err().text, "invalid detach keys (ctrl-P): Unknown character: 'ctrl-P'");
    }

    #[test]
    fn escape() {
        let mut f = EscapeFilter::new(DEFAULT_KEYS.to_vec());
        assert_eq!(f.feed(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(f.feed(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(f.feed(b"x\x10\x11y"), (b"x".to_vec(), true));
    }
}
