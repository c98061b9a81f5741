//! Query strings.

/// `key=value&…`, escaped as HTML forms are.
#[derive(Debug, Clone, Default)]
pub struct Query {
    text: String,
}

impl Query {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a parameter unless its value is empty.
    #[must_use]
    pub fn with_some(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.add(key, value);
        }
        self
    }

    /// Adds `key=1` when `on`.
    #[must_use]
    pub fn with_flag(mut self, key: &str, on: bool) -> Self {
        if on {
            self.add(key, "1");
        }
        self
    }

    /// Adds a parameter in place.
    pub fn add(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        escape(&mut self.text, key, true);
        self.text.push('=');
        escape(&mut self.text, value, true);
    }

    /// The escaped text, without `?`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Escapes one segment of a path. Slashes and colons pass: Docker's routes take names with slashes as they are.
pub fn encode_component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text, false);
    out
}

fn escape(out: &mut String, text: &str, form: bool) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' | b':' | b'@' | b'+' | b'=' | b'$' | b'&' if !form => out.push(char::from(byte)),
            b' ' if form => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
                out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let q = Query::new().with("filters", r#"{"a":1}"#).with_flag("all", true).with_some("x", "").with("n", "a b+c");
        assert_eq!(q.as_str(), "filters=%7B%22a%22%3A1%7D&all=1&n=a+b%2Bc");
        assert_eq!(encode_component("a/b:c d"), "a/b:c%20d");
    }
}
