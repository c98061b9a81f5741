//! Which proxy a request goes through (`golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use ipnet::IpNet;

use super::host_port;
use crate::{Error, Proxies};

/// Where a proxy is.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
}

/// All proxy settings, parsed.
#[derive(Debug)]
pub(super) struct ProxyRules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct_all: bool,
    direct: Vec<Direct>,
}

/// What is reached without a proxy.
#[derive(Debug)]
enum Direct {
    Network(IpNet),
    /// `.example.org`, and with `exact` also `example.org`.
    Domain {
        suffix: String,
        exact: bool,
        port: Option<u16>,
    },
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
}

impl ProxyRules {
    pub(super) fn new(config: &Proxies) -> Result<Self, Error> {
        let none = config.no_proxy.as_deref().unwrap_or("");
        let entries = || none.split(',').map(str::trim).filter(|e| !e.is_empty());
        Ok(Self {
            http: config.http.as_deref().map(parse_proxy).transpose()?,
            https: config.https.as_deref().map(parse_proxy).transpose()?,
            direct_all: entries().any(|e| e == "*"),
            direct: entries().map(parse_direct).collect(),
        })
    }

    pub(super) fn for_target(&self, secure: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if secure { self.https.as_ref() } else { self.http.as_ref() }?;
        let ip: Option<IpAddr> = host.parse().ok();
        let local = host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
        if local || self.direct_all || self.direct.iter().any(|d| d.matches(host, ip, port)) {
            return None;
        }
        Some(proxy)
    }

    /// `Proxy-Authorization` for a request that is sent to a proxy as it is (no tunnel).
    pub(super) fn plain_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let (host, port) = host_port(uri)?;
        let authorization = self.for_target(false, host, port)?.authorization.as_ref()?;
        HeaderValue::from_str(authorization).ok()
    }
}

impl Direct {
    fn matches(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let port_fits = |p: &Option<u16>| p.is_none_or(|p| p == port);
        match self {
            Self::Network(net) => ip.is_some_and(|ip| net.contains(&ip)),
            Self::Address { ip: own, port } => ip == Some(*own) && port_fits(port),
            Self::Domain { suffix, exact, port } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                port_fits(port) && (host.ends_with(suffix.as_str()) || (*exact && host == suffix[1..]))
            }
        }
    }
}

fn parse_direct(entry: &str) -> Direct {
    if let Ok(net) = entry.parse::<IpNet>() {
        return Direct::Network(net);
    }
    if let Ok(ip) = entry.trim_matches(['[', ']']).parse() {
        return Direct::Address { ip, port: None };
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    };
    if let Ok(ip) = name.trim_matches(['[', ']']).parse() {
        return Direct::Address { ip, port };
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let name = name.strip_prefix('*').unwrap_or(&name);
    if name.starts_with('.') {
        Direct::Domain { suffix: name.to_owned(), exact: false, port }
    } else {
        Direct::Domain { suffix: format!(".{name}"), exact: true, port }
    }
}

fn parse_proxy(text: &str) -> Result<Proxy, Error> {
    let bad = |why: &str| Error::Config { what: "proxy", value: without_userinfo(text), why: why.to_owned() };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let (scheme, rest) = full.split_once("://").ok_or_else(|| bad("no scheme"))?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(bad("only http proxies are supported"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, authority)) => (Some(user), authority),
        None => (None, authority),
    };
    let uri: Uri = format!("http://{authority}/").parse().map_err(|_| bad("not a URL"))?;
    let (host, port) = host_port(&uri).ok_or_else(|| bad("no host"))?;
    Ok(Proxy {
        host: host.to_owned(),
        port,
        authorization: user.map(|user| format!("Basic {}", STANDARD.encode(percent_decoded(user)))),
    })
}

fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("xxxxx@{rest}"),
        None => text.to_owned(),
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| {
                tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok())
            })
            .flatten();
        match code {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_matched_as_in_go() {
        let rules = ProxyRules::new(&Proxies {
            http: None,
            https: Some("http://u%40x:p@proxy.example:3128".into()),
            no_proxy: Some("example.org, .inner.net,10.0.0.0/8,192.0.2.1:5000,*.star.io,port.io:99".into()),
        })
        .expect("rules");
        let direct = |host: &str, port| rules.for_target(true, host, port).is_none();
        for host in
            ["localhost", "127.0.0.1", "::1", "example.org", "a.example.org", "a.inner.net", "10.1.2.3", "x.star.io"]
        {
            assert!(direct(host, 443), "{host}");
        }
        for host in ["example.com", "notexample.org", "inner.net", "11.0.0.1", "192.0.2.1", "port.io"] {
            assert!(!direct(host, 443), "{host}");
        }
        assert!(direct("192.0.2.1", 5000) && direct("port.io", 99));
        let proxy = rules.for_target(true, "example.com", 443).expect("proxy");
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dUB4OnA="));
        assert!(rules.for_target(false, "example.com", 80).is_none());
        assert!(ProxyRules::new(&Proxies { http: Some("socks5://x".into()), ..Proxies::default() }).is_err());
    }
}
