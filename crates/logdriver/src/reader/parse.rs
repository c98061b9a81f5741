//! Records as text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memrchr;
use serde::Deserialize;

use super::Entry;
use crate::Stream;
use crate::timestamp::parse_rfc3339;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
}

/// A line (without its end) as a record; `None` if it is none. Zero bytes before it (a hole that a power cut left) are ignored.
pub(super) fn record(line: &[u8]) -> Option<Entry> {
    let start = line.iter().position(|b| *b != 0)?;
    let record: Record<'_> = serde_json::from_slice(&line[start..]).ok()?;
    let stream = match &*record.stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return None,
    };
    Some(Entry {
        stream,
        time_ns: parse_rfc3339(&record.time)?,
        line: record.log.into_owned().into_bytes(),
        attrs: record.attrs.unwrap_or_default().into_iter().collect(),
    })
}

/// The time of a record that ends as they all do, without parsing the rest.
pub(crate) fn record_time(line: &[u8]) -> Option<i64> {
    let body = line.strip_suffix(b"\"}")?;
    let quote = memrchr(b'"', body)?;
    body[..quote]
        .ends_with(b",\"time\":")
        .then(|| std::str::from_utf8(&body[quote + 1..]).ok().and_then(parse_rfc3339))?
}

/// As Go's `url.QueryEscape`.
pub(super) fn push_query_escaped(out: &mut String, text: &str) {
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for digit in [b >> 4, b & 15] {
                    out.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
                }
            }
        }
    }
}
