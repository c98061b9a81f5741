//! Image references, as far as the client must understand them.

use crate::config::HUB;
use crate::failure::{Failure, Result};

/// A reference, taken apart and normalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `docker.io`, `host:port`, …
    pub(crate) domain: String,
    /// `library/busybox`
    pub(crate) path: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// Reads a name as the user writes it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let bad = || Failure::new("invalid reference format");
        if text.is_empty() {
            return Err(bad());
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Failure::new(format!(
                "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            )));
        }
        lower_case(text)?;
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest {
            let (algorithm, hex) = digest.split_once(':').ok_or_else(bad)?;
            let long = if algorithm == "sha512" { 128 } else { 64 };
            if algorithm.is_empty()
                || hex.len() < 32
                || (algorithm == "sha256" && hex.len() != long)
                || !hex.bytes().all(|b| b.is_ascii_hexdigit())
            {
                return Err(bad());
            }
        }
        let slash = name.rfind('/').map_or(0, |i| i + 1);
        let (name, tag) = match name[slash..].find(':') {
            Some(i) => (&name[..slash + i], Some(&name[slash + i + 1..])),
            None => (name, None),
        };
        let tag_ok = |t: &str| {
            !t.is_empty()
                && t.len() <= 128
                && !t.starts_with(['.', '-'])
                && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        if tag.is_some_and(|t| !tag_ok(t)) {
            return Err(bad());
        }
        let (domain, path) = split_domain(name);
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let library = if domain == "docker.io" && !path.contains('/') { "library/" } else { "" };
        if !path.split('/').all(component) {
            return Err(bad());
        }
        let path = format!("{library}{path}");
        Ok(Self { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// Adds `latest` when there is neither tag nor digest.
    pub(crate) fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The shortest name: `busybox`, `me/app`, `host/app`.
    pub(crate) fn familiar_name(&self) -> String {
        if self.domain == "docker.io" {
            self.path.strip_prefix("library/").unwrap_or(&self.path).to_owned()
        } else {
            format!("{}/{}", self.domain, self.path)
        }
    }

    /// The full name: `docker.io/library/busybox`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|d| format!("@{d}")).unwrap_or_default();
        format!("{tag}{digest}")
    }

    /// The shortest name with tag and digest.
    pub(crate) fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// The full name with tag and digest.
    pub(crate) fn full(&self) -> String {
        format!("{}{}", self.name(), self.suffix())
    }

    /// The key of this registry's credentials.
    pub(crate) fn auth_key(&self) -> &str {
        if self.domain == "docker.io" { HUB } else { &self.domain }
    }
}

/// The registry's host, which has a dot, a port, or a capital letter, and the rest.
fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => ("docker.io", name),
    }
}

/// Capital letters in the repository are complained of before anything else.
fn lower_case(text: &str) -> Result<()> {
    let (domain, rest) = split_domain(text);
    let library = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    let path = rest.split(':').next().unwrap_or_default();
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Failure::new(format!(
            "invalid reference format: repository name ({library}{path}) must be lowercase"
        )));
    }
    Ok(())
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between.
fn component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        && !part.contains("..")
        && !part.contains("___")
        && !part.contains("._")
        && !part.contains("_.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let r = Reference::parse("busybox").unwrap().with_default_tag();
        assert_eq!((r.full().as_str(), r.familiar().as_str()), ("docker.io/library/busybox:latest", "busybox:latest"));
        let r = Reference::parse("127.0.0.1:5000/a/b:v1").unwrap();
        assert_eq!((r.domain.as_str(), r.path.as_str(), r.tag.as_deref()), ("127.0.0.1:5000", "a/b", Some("v1")));
        assert!(Reference::parse("Foo").unwrap_err().text.contains("must be lowercase"));
        let lower = |text: &str| Reference::parse(text).unwrap_err().text;
        assert_eq!(lower("Bad:Name:x"), "invalid reference format: repository name (library/Bad) must be lowercase");
        assert_eq!(lower("foo/Bar:x"), "invalid reference format: repository name (foo/Bar) must be lowercase");
        assert_eq!(lower("Foo Bar"), "invalid reference format: repository name (library/Foo Bar) must be lowercase");
        assert_eq!(Reference::parse("a:").unwrap_err().text, "invalid reference format");
    }
}
