//! Addresses of log receivers, taken apart as Go's `net/url` does.

use crate::ShipError;

/// `scheme://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: String,
    /// Without brackets.
    pub(crate) host: String,
    /// Digits, or nothing.
    pub(crate) port: Option<String>,
    pub(crate) path: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ShipError> {
        let wrong = |reason: String| ShipError::Url { url: url.to_owned(), reason };
        let is_scheme = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        };
        let (scheme, rest) = match url.split_once(':') {
            Some(("", _)) => return Err(wrong("missing protocol scheme".to_owned())),
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            Some((first, _)) if !first.contains('/') => {
                return Err(wrong("first path segment in URL cannot contain colon".to_owned()));
            }
            _ => (String::new(), url),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            return Ok(Self { scheme, host: String::new(), port: None, path: rest.to_owned() });
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, ""), |i| rest.split_at(i));
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, after) = match authority.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(|| wrong("missing ']' in host".to_owned()))?,
            None => authority.find(':').map_or((authority, ""), |i| authority.split_at(i)),
        };
        // Go looks at what follows the last colon.
        let last = after.rfind(':').map_or(after, |i| &after[i..]);
        let port = match last.strip_prefix(':') {
            None if after.is_empty() => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && last == after => {
                Some(digits).filter(|d| !d.is_empty())
            }
            _ => return Err(wrong(format!("invalid port {last:?} after host"))),
        };
        Ok(Self { scheme, host: host.to_owned(), port: port.map(str::to_owned), path: path.to_owned() })
    }

    /// The port as a number, or `default` if there is none.
    pub(crate) fn port_or(&self, default: u16) -> Result<u16, ShipError> {
        match &self.port {
            None => Ok(default),
            Some(digits) => digits.parse().map_err(|_| ShipError::Port(digits.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let parse = |text: &str| {
            Address::parse(text)
                .map(|a| format!("{}|{}|{}|{}", a.scheme, a.host, a.port.unwrap_or_default(), a.path))
                .map_err(|e| e.to_string())
        };
        for (text, want) in [
            ("udp://a:514", "udp|a|514|"),
            ("tcp+tls://[::1]:6514", "tcp+tls|::1|6514|"),
            ("unix:///dev/log", "unix|||/dev/log"),
            ("tcp://h", "tcp|h||"),
            ("foo", "|||foo"),
        ] {
            assert_eq!(parse(text), Ok(want.to_owned()), "{text}");
        }
        assert_eq!(parse("udp://[::1"), Err("parse \"udp://[::1\": missing ']' in host".to_owned()));
        assert_eq!(parse("tcp://a:b"), Err("parse \"tcp://a:b\": invalid port \":b\" after host".to_owned()));
        assert_eq!(parse("tcp://a:b:c"), Err("parse \"tcp://a:b:c\": invalid port \":c\" after host".to_owned()));
    }
}
