//! Which hosts serve a repository, and how far each is trusted.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use id::{DEFAULT_DOMAIN, Reference};
use ipnet::IpNet;

use crate::hosts::{self, Capabilities, HostEntry, HostTls};
use crate::transport::host_port;
use crate::{Config, Error};

/// The host behind `docker.io`.
pub(crate) const HUB: &str = "registry-1.docker.io";

/// Who may be spoken to without (checked) TLS.
#[derive(Debug)]
pub(crate) struct Trust {
    names: HashSet<String>,
    networks: Vec<IpNet>,
    /// Hosts (`host[:port]`) that turned out to speak plain HTTP.
    plain: Mutex<HashSet<String>>,
    /// Certificates that `hosts.toml` names, by `host:port`.
    tls: Mutex<HashMap<String, HostTls>>,
}

impl Trust {
    pub(crate) fn new(insecure: &[String]) -> Self {
        let entries = insecure.iter().map(|entry| {
            let entry = entry.trim().to_ascii_lowercase();
            entry.split_once("://").map_or(entry.as_str(), |(_, rest)| rest).trim_end_matches('/').to_owned()
        });
        let (mut names, mut networks) = (HashSet::new(), Vec::new());
        for entry in entries {
            match entry.parse::<IpNet>() {
                Ok(net) => networks.push(net),
                Err(_) => drop(names.insert(entry)),
            }
        }
        Self { names, networks, plain: Mutex::default(), tls: Mutex::default() }
    }

    /// Loopback, and what the configuration says.
    pub(crate) fn is_insecure(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let named = self.names.contains(&format!("{shown}:{port}"))
            || (matches!(port, 80 | 443) && self.names.contains(&shown));
        named
            || is_loopback(&host)
            || host.parse::<IpAddr>().is_ok_and(|ip| self.networks.iter().any(|n| n.contains(&ip)))
    }

    pub(crate) fn is_known_plain(&self, authority: &str) -> bool {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).contains(authority)
    }

    /// What `hosts.toml` says of a host's certificates.
    pub(crate) fn tls_of(&self, host: &str, port: u16) -> Option<HostTls> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).get(&format!("{host}:{port}")).cloned()
    }

    fn remember_tls(&self, authority: &str, tls: &HostTls) {
        if *tls == HostTls::default() {
            return;
        }
        let uri: Option<Uri> = format!("https://{authority}/").parse().ok();
        if let Some((host, port)) = uri.as_ref().and_then(host_port) {
            let mut all = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(format!("{host}:{port}"), tls.clone());
        }
    }

    pub(crate) fn remember_plain(&self, authority: &str) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(authority.to_owned());
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Addresses that a host elsewhere has no business to send us to: this machine and the link (cloud metadata).
pub(crate) fn is_inner(host: &str) -> bool {
    is_loopback(host)
        || host.parse::<IpAddr>().is_ok_and(|ip| match ip.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified(),
        })
}

/// Whether a host reached by `from` may send us to `to`: never from TLS to none (unless `to` is insecure by configuration), never
/// from elsewhere to this machine or the link.
pub(crate) fn may_lead_to(trust: &Trust, from: &Uri, to: &Uri) -> bool {
    let (Some((from_host, from_port)), Some((host, port))) = (host_port(from), host_port(to)) else { return false };
    let downgrade = from.scheme_str() == Some("https")
        && to.scheme_str() != Some("https")
        && !(trust.is_insecure(host, port) && trust.is_insecure(from_host, from_port));
    let inward = is_inner(host) && !is_inner(from_host);
    matches!(to.scheme_str(), Some("http" | "https")) && !downgrade && !inward
}

/// A host that serves a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host[:port]`.
    pub(crate) authority: String,
    /// What stands before `/v2` in its paths.
    pub(crate) prefix: String,
    /// Its URL says `http`.
    pub(crate) plain: bool,
    /// Not the registry itself: it is told which registry is meant.
    pub(crate) mirror: bool,
    /// What it may be asked for.
    pub(crate) capabilities: Capabilities,
    /// `prefix` stands for `/v2`.
    pub(crate) override_path: bool,
    /// Sent with every request to it.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// May be spoken to without TLS.
    pub(crate) insecure: bool,
}

impl Endpoint {
    /// The schemes to try, in order.
    pub(crate) fn schemes(&self, trust: &Trust) -> &'static [&'static str] {
        if self.plain || (self.insecure && trust.is_known_plain(&self.authority)) {
            &["http"]
        } else if self.insecure {
            &["https", "http"]
        } else {
            &["https"]
        }
    }

    /// The registry of a domain.
    pub(crate) fn registry(domain: &str, trust: &Trust) -> Self {
        let authority = match domain {
            DEFAULT_DOMAIN | "index.docker.io" => HUB.to_owned(),
            domain => domain.to_ascii_lowercase(),
        };
        let insecure = is_insecure_authority(&authority, trust);
        Self {
            authority,
            prefix: String::new(),
            plain: false,
            mirror: false,
            capabilities: Capabilities::ALL,
            override_path: false,
            headers: Vec::new(),
            insecure,
        }
    }

    /// A mirror from its URL (`--registry-mirror`).
    pub(crate) fn mirror(url: &str, trust: &Trust) -> Result<Self, Error> {
        let bad = |why: &str| Error::Config { what: "mirror", value: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        let authority = uri.authority().ok_or_else(|| bad("no host"))?.as_str().to_ascii_lowercase();
        if authority.contains('@') {
            return Err(bad("username/password not allowed in URI"));
        }
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(bad("unsupported scheme")),
        };
        let insecure = plain || is_insecure_authority(&authority, trust);
        Ok(Self {
            authority,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            plain,
            mirror: true,
            capabilities: Capabilities::READ,
            override_path: false,
            headers: Vec::new(),
            insecure,
        })
    }

    /// A host of `hosts.toml`.
    fn entry(entry: &HostEntry, registry: &Self, trust: &Trust) -> Result<Self, Error> {
        let url = if entry.url.contains("://") { entry.url.clone() } else { format!("https://{}", entry.url) };
        let named = Self::mirror(&url, trust)?;
        trust.remember_tls(&named.authority, &entry.tls);
        Ok(Self {
            mirror: named.authority != registry.authority,
            capabilities: entry.capabilities,
            override_path: entry.override_path,
            headers: entry.headers.clone(),
            // Only a URL that says `http` is spoken to without TLS.
            insecure: named.plain || (named.insecure && entry.tls == HostTls::default()),
            ..named
        })
    }

    /// The path on this host of what has `path` (from `/v2/` on) on a registry.
    pub(crate) fn path(&self, path: &str) -> String {
        let rest = if self.override_path { path.strip_prefix("/v2").unwrap_or(path) } else { path };
        format!("{}{rest}", self.prefix)
    }

    /// All that serve `name`, in the order to ask them for something to pull.
    ///
    /// # Errors
    /// [`Error::Config`]: a `hosts.toml` that makes no sense (then nobody is asked).
    pub(crate) fn all(name: &Reference, config: &Config, trust: &Trust) -> Result<Vec<Self>, Error> {
        let registry = Self::registry(name.domain(), trust);
        let mut list = Vec::new();
        if let Some(file) = hosts::read(&config.certs_dir, name.domain())? {
            for entry in &file.hosts {
                list.push(Self::entry(entry, &registry, trust)?);
            }
            let last = match file.server {
                Some(server) if !server.url.is_empty() => Self::entry(&server, &registry, trust)?,
                Some(server) => {
                    trust.remember_tls(&registry.authority, &server.tls);
                    Self { capabilities: server.capabilities, headers: server.headers, ..registry }
                }
                None => registry,
            };
            list.push(last);
            return Ok(list);
        }
        if name.domain() == DEFAULT_DOMAIN {
            list.extend(config.mirrors.iter().filter_map(|url| Self::mirror(url, trust).ok()));
        }
        list.push(registry);
        Ok(list)
    }
}

fn is_insecure_authority(authority: &str, trust: &Trust) -> bool {
    let uri: Option<Uri> = format!("https://{authority}/").parse().ok();
    uri.as_ref().and_then(host_port).is_some_and(|(host, port)| trust.is_insecure(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_the_configured_are_insecure() {
        let trust = Trust::new(&["reg.example:5000".into(), "http://bare.example/".into(), "10.0.0.0/8".into()]);
        for (host, port) in [
            ("127.0.0.5", 1),
            ("::1", 443),
            ("LocalHost", 5000),
            ("reg.example", 5000),
            ("bare.example", 443),
            ("10.9.8.7", 5),
        ] {
            assert!(trust.is_insecure(host, port), "{host}:{port}");
        }
        for (host, port) in
            [("reg.example", 443), ("bare.example", 5000), ("11.0.0.1", 443), ("localhost.evil.example", 443)]
        {
            assert!(!trust.is_insecure(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn nobody_is_led_astray() {
        let trust = Trust::new(&["i.example".into()]);
        let may = |a: &str, b: &str| may_lead_to(&trust, &a.parse().expect("uri"), &b.parse().expect("uri"));
        assert!(may("https://r.example/x", "https://cdn.example/y"));
        assert!(may("http://i.example/x", "http://cdn.example/y"));
        assert!(may("https://i.example/x", "http://i.example/y"));
        assert!(may("http://127.0.0.1:5000/x", "http://127.0.0.1:5001/y"));
        assert!(!may("https://r.example/x", "http://cdn.example/y"));
        assert!(!may("https://r.example/x", "http://i.example/y"));
        assert!(!may("https://r.example/x", "https://169.254.169.254/latest"));
        assert!(!may("https://r.example/x", "https://localhost/"));
        assert!(!may("https://r.example/x", "https://[::ffff:127.0.0.1]/"));
        assert!(!may("https://r.example/x", "ftp://cdn.example/"));
    }

    #[test]
    fn mirrors_come_first_and_only_for_the_hub() {
        let config = Config {
            mirrors: vec!["http://127.0.0.1:5000/hub/".into()],
            certs_dir: "/nonexistent".into(),
            ..Config::default()
        };
        let trust = Trust::new(&[]);
        let hub =
            Endpoint::all(&Reference::parse_normalized("busybox").expect("name"), &config, &trust).expect("hosts");
        assert_eq!((hub[0].authority.as_str(), hub[0].prefix.as_str(), hub[0].plain), ("127.0.0.1:5000", "/hub", true));
        assert_eq!((hub[1].authority.as_str(), hub[1].insecure), (HUB, false));
        let other = Endpoint::all(&Reference::parse_normalized("x.io/a").expect("name"), &config, &trust);
        assert_eq!(other.expect("hosts").len(), 1);
    }
}
