//! Where the engine listens.

use std::path::PathBuf;

use crate::{Error, Result};

/// The engine's address when nothing says otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Files for TLS, and whether the engine's certificate is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that are trusted (PEM).
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Our key (PEM).
    pub key: Option<PathBuf>,
    /// Whether the engine's certificate must be valid.
    pub verify: bool,
}

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
    },
    /// TCP, with or without TLS.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Prefix of all paths, without the trailing slash; usually empty.
        base: String,
    },
}

impl Endpoint {
    /// Reads `unix:///path`, `tcp://host[:port]`, `http://…`, `https://…`, or a bare `host:port`.
    ///
    /// # Errors
    /// [`Error::Host`] and [`Error::Scheme`].
    pub fn parse(host: &str, tls: bool) -> Result<Self> {
        let bad = || Error::Host { host: host.to_owned() };
        if let Some(path) = host.strip_prefix("unix://") {
            let path = if path.is_empty() { "/var/run/docker.sock" } else { path };
            return Ok(Self::Unix { path: PathBuf::from(path) });
        }
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        if !matches!(scheme, "tcp" | "http" | "https") {
            return Err(Error::Scheme { host: host.to_owned(), scheme: scheme.to_owned() });
        }
        let (authority, base) = match rest.find('/') {
            Some(i) => (&rest[..i], rest[i..].trim_end_matches('/')),
            None => (rest, ""),
        };
        let default_port = if tls || scheme == "https" { 2376 } else { 2375 };
        let (name, port) = split_authority(authority, default_port).ok_or_else(bad)?;
        let name = if name.is_empty() { "localhost" } else { name };
        Ok(Self::Tcp { host: name.to_owned(), port, base: base.to_owned() })
    }

    /// The prefix of all request paths.
    pub fn base(&self) -> &str {
        match self {
            Self::Unix { .. } => "",
            Self::Tcp { base, .. } => base,
        }
    }

    /// The `Host` header.
    pub fn host_header(&self) -> String {
        match self {
            Self::Unix { .. } => "api.moby.localhost".to_owned(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

fn split_authority(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (name, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((name, port.parse().ok()?)),
            None => Some((name, default_port)),
        };
    }
    match authority.rsplit_once(':') {
        Some((name, port)) => Some((name, port.parse().ok()?)),
        None => Some((authority, default_port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.to_owned(), port, base: String::new() };
        assert_eq!(Endpoint::parse("unix:///a/b", false).unwrap(), Endpoint::Unix { path: "/a/b".into() });
        assert_eq!(Endpoint::parse("tcp://h:1", false).unwrap(), tcp("h", 1));
        assert_eq!(Endpoint::parse("tcp://h", false).unwrap(), tcp("h", 2375));
        assert_eq!(Endpoint::parse("tcp://h", true).unwrap(), tcp("h", 2376));
        assert_eq!(Endpoint::parse("tcp://[::1]:5", true).unwrap(), tcp("::1", 5));
        assert!(matches!(Endpoint::parse("ssh://u@h", false), Err(Error::Scheme { .. })));
    }
}
