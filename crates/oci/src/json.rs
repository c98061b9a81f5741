//! JSON of others, read so that a fault names the field it lies in.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;

/// The largest document that is read, in bytes.
pub const LIMIT: usize = 16 << 20;

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is too large to be looked at.
    #[error("{size} bytes are more than a document may have ({LIMIT})")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is no JSON, or a value is of the wrong kind.
    #[error("{}{source}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
    Field {
        /// Where, as `linux.namespaces[2].type`; empty for the document as a whole.
        field: String,
        /// What.
        source: serde_json::Error,
    },
}

/// Reads a document.
///
/// # Errors
/// See [`JsonError`].
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    if text.len() > LIMIT {
        return Err(JsonError::TooLarge { size: text.len() });
    }
    serde_json::from_slice(text)
        .map_err(|source| JsonError::Field { field: field_at(text, source.line(), source.column()), source })
}

/// One level of nesting, and where in it the scanner is.
enum Level {
    Object { key: String, value: bool },
    Array { index: usize },
}

/// The path of the value that ends at, or contains, a position as `serde_json` gives it (line from 1, bytes into it).
fn field_at(text: &[u8], line: usize, column: usize) -> String {
    let start = text.split_inclusive(|b| *b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    let end = start.saturating_add(column).min(text.len());
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at).filter(|_| at < end) {
        match byte {
            b'"' => {
                let behind = string_end(text, at);
                // A key is heard of when it is complete, a fault in it is its object's.
                if let Some(Level::Object { key, value: false }) = levels.last_mut()
                    && behind <= end
                {
                    *key = serde_json::from_slice(text.get(at..behind).unwrap_or_default()).unwrap_or_default();
                }
                at = behind;
                continue;
            }
            b':' => {
                if let Some(Level::Object { value, .. }) = levels.last_mut() {
                    *value = true;
                }
            }
            // What is wrong with a whole value shows at its end.
            b'{' if at + 1 < end => levels.push(Level::Object { key: String::new(), value: false }),
            b'[' if at + 1 < end => levels.push(Level::Array { index: 0 }),
            b'}' | b']' if at + 1 < end => drop(levels.pop()),
            b',' if at + 1 < end => match levels.last_mut() {
                Some(Level::Object { key, value }) => {
                    key.clear();
                    *value = false;
                }
                Some(Level::Array { index }) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    shown(&levels, text.get(end.saturating_sub(1)).copied())
}

/// The path; an object or array that has just ended is itself meant, not its last member.
fn shown(levels: &[Level], last: Option<u8>) -> String {
    let mut path = String::new();
    let known = match last {
        Some(b'}' | b']') => levels.len().saturating_sub(1),
        _ => levels.len(),
    };
    for level in levels.iter().take(known.min(64)) {
        match level {
            Level::Object { key, .. } if key.is_empty() => {}
            Level::Object { key, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.extend(key.chars().take(64).flat_map(char::escape_debug));
            }
            Level::Array { index } => {
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

/// The position behind a string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Spec;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let error = read::<Spec>(text.as_bytes()).unwrap_err();
        let JsonError::Field { field, source } = error else { panic!("{error}") };
        assert_eq!(field, wanted, "{text}: {source}");
    }

    #[test]
    fn names_the_field() {
        check(r#"{"ociVersion":"1","process":{"cwd":5}}"#, "process.cwd");
        check(r#"{"ociVersion":"1","process":{"cwd":"/","user":{"uid":-1,"gid":0}}}"#, "process.user.uid");
        check(
            r#"{"ociVersion":"1","linux":{"namespaces":[{"type":"pid"},{"type":"galaxy"}]}}"#,
            "linux.namespaces[1].type",
        );
        check(r#"{"ociVersion":"1","mounts":[{"destination":"/a"},{"destination":[]}]}"#, "mounts[1].destination");
        check(r#"{"ociVersion":"1","mounts":{}}"#, "mounts");
        check(r#"{"ociVersion":"1","annotations":{"a\"b":1}}"#, r#"annotations.a\"b"#);
        check("{\n \"ociVersion\": \"1\",\n \"linux\": {\n  \"sysctl\": 7\n }\n}", "linux.sysctl");
        check("{", "");
        check("[]", "");
        check(r#"{"process":{}}"#, "process");
    }

    #[test]
    fn refuses_what_is_too_large() {
        let error = read::<Spec>(&vec![b' '; LIMIT + 1]).unwrap_err();
        assert!(matches!(error, JsonError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let deep = format!(r#"{{"ociVersion":"1","annotations":{}"#, "[".repeat(100_000));
        assert!(read::<Spec>(deep.as_bytes()).is_err());
    }
}
