//! Image references, the grammar of the `distribution/reference` library (its `regexp.go` and `normalize.go`).

use std::fmt;

use crate::{Digest, DigestError};

/// The registry that a name without a domain means.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag that a name without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";

const NAME_TOTAL_LENGTH_MAX: usize = 255;

/// A normalized image reference: `domain/path[:tag][@digest]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a string is no reference. The texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Does not match the grammar.
    #[error("invalid reference format")]
    Format,
    /// Would match if it were in lower case.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The repository name is longer than 255 characters.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// A bare 64-digit id where a name is wanted.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// The part behind `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// Parses what a user typed: `busybox`, `user/app:1`, `host:5000/a/b@sha256:…`.
    pub fn parse_normalized(s: &str) -> Result<Self, ReferenceError> {
        if s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId(s.to_owned()));
        }
        let (domain, remainder) = split_domain(s);
        let name_end = remainder.find([':', '@']).unwrap_or(remainder.len());
        let name = &remainder[..name_end];
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase(name.to_owned()));
        }
        let (rest, digest) = match remainder[name_end..].split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (&remainder[name_end..], None),
        };
        let tag = match rest.strip_prefix(':') {
            Some(tag) if is_tag(tag) => Some(tag.to_owned()),
            None if rest.is_empty() => None,
            _ => return Err(ReferenceError::Format),
        };
        if !is_domain(&domain) || !is_path(name) {
            return Err(ReferenceError::Format);
        }
        // Of the path alone: the domain has no limit of its own.
        if name.len() > NAME_TOTAL_LENGTH_MAX {
            return Err(ReferenceError::TooLong);
        }
        let digest = digest.map(parse_digest).transpose()?;
        Ok(Self { domain, path: name.to_owned(), tag, digest })
    }

    /// `docker.io`, `localhost:5000`, …
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository below the domain: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `domain/path`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as Docker shows it: without `docker.io/` and `library/`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix("library/") {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as Docker shows it.
    pub fn familiar(&self) -> String {
        self.with_name(self.familiar_name())
    }

    /// This reference with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository with this tag and no digest; `None` if `tag` is none.
    pub fn with_tag(&self, tag: &str) -> Option<Self> {
        is_tag(tag).then(|| Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository with this digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn with_name(&self, mut s: String) -> String {
        if let Some(tag) = &self.tag {
            s.push(':');
            s.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            s.push('@');
            s.push_str(digest.as_str());
        }
        s
    }
}

/// The whole, normalized: `docker.io/library/busybox:latest`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_name(self.name()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Reference {
    type Err = ReferenceError;
    fn from_str(s: &str) -> Result<Self, ReferenceError> {
        Self::parse_normalized(s)
    }
}

/// The grammar wants a digest of at least 32 digits behind `@`; anything else is a format error of the reference.
fn parse_digest(s: &str) -> Result<Digest, ReferenceError> {
    let hex = s.split_once(':').map_or("", |(_, hex)| hex);
    if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ReferenceError::Format);
    }
    Ok(s.parse::<Digest>()?)
}

/// The first component is a domain if it has a dot or a colon, is `localhost`, or has upper-case letters
/// (`splitDockerDomain`).
fn split_domain(s: &str) -> (String, String) {
    let (domain, remainder) = match s.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, s),
    };
    let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        return (domain.to_owned(), format!("library/{remainder}"));
    }
    (domain.to_owned(), remainder.to_owned())
}

fn is_tag(s: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = s.bytes();
    s.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_path(s: &str) -> bool {
    !s.is_empty() && s.split('/').all(is_path_component)
}

/// `alphanumeric+ (separator alphanumeric+)*`, separator: `.`, `_`, `__` or any number of `-`.
fn is_path_component(s: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = s.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !alnum(*first) || !alnum(*last) {
        return false;
    }
    s.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|sep| !sep.is_empty())
        .all(|sep| matches!(sep, "." | "_" | "__") || sep.bytes().all(|b| b == b'-'))
}

fn is_domain(s: &str) -> bool {
    let (host, port) = match s.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((v6, rest)) => {
            let v6_ok = !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            if !v6_ok || !(rest.is_empty() || rest.starts_with(':')) {
                return false;
            }
            ("v6", rest.strip_prefix(':'))
        }
        None => match s.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (s, None),
        },
    };
    let label = |l: &str| {
        let b = l.as_bytes();
        !b.is_empty()
            && b.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
            && b[0] != b'-'
            && b[b.len() - 1] != b'-'
    };
    host.split('.').all(label) && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, want: &str) {
        assert_eq!(Reference::parse_normalized(input).map(|r| r.to_string()).as_deref(), Ok(want), "{input}");
    }

    #[test]
    fn names_are_normalized() {
        let d = format!("sha256:{}", "a".repeat(64));
        check("busybox", "docker.io/library/busybox");
        check("docker.io/busybox:1", "docker.io/library/busybox:1");
        check("index.docker.io/a/b", "docker.io/a/b");
        check("a/b:T-1.x", "docker.io/a/b:T-1.x");
        check("localhost/a", "localhost/a");
        check("127.0.0.1:5000/a/b__c-d:1", "127.0.0.1:5000/a/b__c-d:1");
        check("[::1]:5000/a", "[::1]:5000/a");
        check(&format!("a@{d}"), &format!("docker.io/library/a@{d}"));
        check(&format!("a:1@{d}"), &format!("docker.io/library/a:1@{d}"));
    }

    #[test]
    fn familiar_names_are_short() {
        for s in ["busybox:latest", "a/b", "x.io/a/b:1", "localhost:5000/a"] {
            assert_eq!(Reference::parse_normalized(s).expect(s).familiar(), s);
        }
    }

    #[test]
    fn bad_references_are_refused() {
        use ReferenceError::{Format, LooksLikeId, TooLong, Uppercase};
        let id = "a".repeat(64);
        let cases = [
            ("", Format),
            (":", Format),
            ("a:", Format),
            ("a b", Format),
            ("-a", Format),
            ("a..b", Format),
            ("a___b", Format),
            ("a/", Format),
            ("a//b", Format),
            ("a:b:c", Format),
            ("a@sha256:12", Format),
            ("https://x/y", Format),
            ("Busybox", Uppercase("library/Busybox".to_owned())),
            (&id, LooksLikeId(id.clone())),
            (&format!("a/{}", "b".repeat(256)), TooLong),
        ];
        for (input, want) in cases {
            assert_eq!(Reference::parse_normalized(input), Err(want), "{input}");
        }
    }
}
