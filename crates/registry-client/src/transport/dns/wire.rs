//! DNS messages, as much as a stub resolver needs (RFC 1035 §4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Maybe none.
    Addresses(Vec<IpAddr>),
    NoSuchName,
    Failed,
    Truncated,
}

const HEADER: usize = 12;
const CLASS_IN: u16 = 1;
/// A reply with more records than this is not read to its end.
const RECORDS_MAX: u16 = 256;

/// A question; `None` if `name` cannot be asked for.
pub(super) fn query(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(HEADER + name.len() + 6);
    out.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question.
    out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    if name.len() > 253 {
        return None;
    }
    for label in name.split('.') {
        let len = u8::try_from(label.len()).ok().filter(|n| (1..64).contains(n))?;
        out.push(len);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out.extend_from_slice(&(kind as u16).to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    Some(out)
}

/// Reads a reply to `query`; `None` if it is none (somebody else's, forged, malformed).
pub(super) fn parse(reply: &[u8], query: &[u8], kind: Kind) -> Option<Answer> {
    let question = &query[HEADER..];
    let is_reply = reply.get(2)? & 0x80 != 0;
    if !is_reply || reply[..2] != query[..2] || u16_at(reply, 4)? != 1 {
        return None;
    }
    if !reply.get(HEADER..HEADER + question.len())?.eq_ignore_ascii_case(question) {
        return None;
    }
    if reply[2] & 0x02 != 0 {
        return Some(Answer::Truncated);
    }
    match reply[3] & 0x0f {
        0 => {}
        3 => return Some(Answer::NoSuchName),
        _ => return Some(Answer::Failed),
    }
    let mut at = HEADER + question.len();
    let mut found = Vec::new();
    for _ in 0..u16_at(reply, 6)?.min(RECORDS_MAX) {
        at = skip_name(reply, at)?;
        let (record, class, len) = (u16_at(reply, at)?, u16_at(reply, at + 2)?, u16_at(reply, at + 8)?);
        let data = reply.get(at + 10..at + 10 + usize::from(len))?;
        // Aliases need no following: a recursive server puts the addresses of the last name into the same reply.
        if record == kind as u16 && class == CLASS_IN {
            found.extend(match kind {
                Kind::A => <[u8; 4]>::try_from(data).ok().map(|b| IpAddr::from(Ipv4Addr::from(b))),
                Kind::Aaaa => <[u8; 16]>::try_from(data).ok().map(|b| IpAddr::from(Ipv6Addr::from(b))),
            });
        }
        at += 10 + usize::from(len);
    }
    Some(Answer::Addresses(found))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// Behind the name at `at`; pointers end a name.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len if len & 0xc0 == 0xc0 => return Some(at + 2),
            len if len < 64 => at += 1 + usize::from(len),
            _ => return None,
        }
    }
}
