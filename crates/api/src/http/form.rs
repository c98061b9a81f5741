use crate::http::ApiError;

/// A query string that cannot be read, in the words of Go's `net/url`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `%` without two hexadecimal digits.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// `;` between arguments.
    #[error("invalid semicolon separator in query")]
    Semicolon,
    /// More arguments than anybody needs.
    #[error("too many query arguments")]
    TooMany,
}

impl error::HasKind for FormError {
    fn kind(&self) -> error::ErrorKind {
        error::ErrorKind::InvalidParameter
    }
}

/// More arguments than this are refused.
const MAX_ARGUMENTS: usize = 1000;

/// The arguments of a request: name and value, in order, a name any number of times. Bodies never add to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a query string.
    ///
    /// # Errors
    /// See [`FormError`].
    pub fn parse(query: &str) -> Result<Self, FormError> {
        let mut out = Vec::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            if pair.contains(';') {
                return Err(FormError::Semicolon);
            }
            if out.len() == MAX_ARGUMENTS {
                return Err(FormError::TooMany);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            out.push((unescape(key, true)?, unescape(value, true)?));
        }
        Ok(Self(out))
    }

    /// From pairs that are decoded already.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// All pairs.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// All pairs, to change.
    pub fn pairs_mut(&mut self) -> &mut Vec<(String, String)> {
        &mut self.0
    }

    /// The first value of `key`; empty if there is none.
    pub fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v)
    }

    /// The first value of `key` that is not empty.
    pub fn non_empty(&self, key: &str) -> Option<&str> {
        Some(self.get(key)).filter(|v| !v.is_empty())
    }

    /// Whether `key` is there at all.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// All values of `key`.
    pub fn all(&self, key: &str) -> Vec<String> {
        self.0.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
    }

    /// Docker's booleans: everything but ``, `0`, `no`, `false`, `none` is true.
    pub fn bool(&self, key: &str) -> bool {
        !matches!(self.get(key).trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// [`Self::bool`], or `default` if `key` is not there.
    pub fn bool_or(&self, key: &str, default: bool) -> bool {
        if self.has(key) { self.bool(key) } else { default }
    }

    /// A signed number in Go's `strconv.Atoi` words; `None` if empty or not there.
    ///
    /// # Errors
    /// 400 if it is no number.
    pub fn int(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.non_empty(key) else { return Ok(None) };
        value.parse().map(Some).map_err(|e: std::num::ParseIntError| {
            ApiError::bad_request(format!("strconv.Atoi: parsing {value:?}: {}", go_number_error(&e)))
        })
    }

    /// An unsigned 32-bit number that must be there; the error has only the reason (`invalid syntax`).
    ///
    /// # Errors
    /// Go's reason.
    pub fn uint32(&self, key: &str) -> Result<u32, &'static str> {
        let value = self.get(key);
        let (digits, negative) = value.strip_prefix('-').map_or((value, false), |d| (d, true));
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("invalid syntax");
        }
        match digits.parse() {
            Ok(n) if !negative => Ok(n),
            _ => Err("value out of range"),
        }
    }
}

fn go_number_error(e: &std::num::ParseIntError) -> &'static str {
    match e.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

/// Decodes `%xx`, and `+` in queries. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn unescape(text: &str, plus: bool) -> Result<String, FormError> {
    if !text.contains(['%', '+']) {
        return Ok(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'%' => {
                let digits = bytes.get(i + 1..i + 3).and_then(|d| Some((hex(d[0])?, hex(d[1])?)));
                let Some((high, low)) = digits else {
                    let end = (i + 3).min(bytes.len());
                    return Err(FormError::Escape(String::from_utf8_lossy(&bytes[i..end]).into_owned()));
                };
                out.push(high << 4 | low);
                i += 3;
            }
            b'+' if plus => {
                out.push(b' ');
                i += 1;
            }
            b => {
                out.push(b);
                i += 1;
            }
        }
    }
    Ok(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let form = Form::parse("all=1&filters=%7B%22a%22%3A%5B%22b+c%22%5D%7D&x&x=2&&n=none").expect("parses");
        assert!(form.bool("all") && !form.bool("n") && !form.bool("missing") && form.bool_or("missing", true));
        assert_eq!(form.get("filters"), r#"{"a":["b c"]}"#);
        assert_eq!(form.all("x"), ["", "2"]);
        assert_eq!(Form::parse("a=%zz"), Err(FormError::Escape("%zz".into())));
        assert_eq!(Form::parse("a=%").map_err(|e| e.to_string()), Err("invalid URL escape \"%\"".into()));
        assert_eq!(Form::parse("a=1;b=2"), Err(FormError::Semicolon));
        assert_eq!(Form::parse(&"a&".repeat(MAX_ARGUMENTS + 1)), Err(FormError::TooMany));
    }

    #[test]
    fn numbers_fail_in_gos_words() {
        let form = Form::parse("t=abc&h=-1&w=99999999999&ok=24").expect("parses");
        assert_eq!(form.int("t").expect_err("no number").message(), r#"strconv.Atoi: parsing "abc": invalid syntax"#);
        assert_eq!((form.uint32("h"), form.uint32("w")), (Err("value out of range"), Err("value out of range")));
        assert_eq!((form.uint32("t"), form.uint32("ok")), (Err("invalid syntax"), Ok(24)));
    }
}
