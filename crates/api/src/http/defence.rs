//! Browsers are used to attack engines that listen on the network: by requests across sites and by DNS names that are
//! pointed at this host (rebinding). No client of the API is a browser page, so such requests are refused.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{Method, StatusCode};

use crate::http::ApiError;
use crate::http::listen::Origin;

/// Refuses what only a browser sends, and on the network what is addressed to a name that is not this host's.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    authority: Option<&str>,
    origin: &Origin,
    names: Option<&[String]>,
) -> Result<(), ApiError> {
    let forbidden = |message: &str| Err(ApiError::with_status(StatusCode::FORBIDDEN, message));
    if headers.contains_key(ORIGIN) || headers.get("sec-fetch-site").is_some_and(|v| v != "none") {
        return forbidden("cross-origin requests are not allowed");
    }
    if method == Method::OPTIONS && headers.contains_key("access-control-request-method") {
        return forbidden("cross-origin requests are not allowed");
    }
    // A client that shows a certificate is no victim; over TLS the name is checked by the client.
    let Some(names) = names.filter(|_| matches!(origin, Origin::Tcp(_))) else { return Ok(()) };
    let host = authority.or_else(|| headers.get(HOST).and_then(|h| h.to_str().ok())).unwrap_or_default();
    if host_is_ours(host, names) { Ok(()) } else { forbidden("invalid Host header") }
}

fn host_is_ours(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.');
    name.is_empty()
        || name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        // What clients call a daemon they reach by a path (Docker's own, docker-py's, curl users').
        || ["docker", "api.moby.localhost", "host.docker.internal"].iter().any(|n| name.eq_ignore_ascii_case(n))
        || names.iter().any(|n| name.eq_ignore_ascii_case(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_with(pairs: &[(&str, &str)], origin: &Origin) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        for (k, v) in pairs {
            let name: hyper::header::HeaderName = k.parse().expect("name");
            headers.insert(name, v.parse().expect("value"));
        }
        check(&Method::GET, &headers, None, origin, Some(&["myhost".to_owned()])).err().map(|e| e.status())
    }

    #[test]
    fn browsers_are_refused_and_clients_are_not() {
        let tcp = Origin::Tcp(([127, 0, 0, 1], 2375).into());
        let unix = Origin::Unix("/run/docker.sock".into());
        let no = Some(StatusCode::FORBIDDEN);
        for origin in [&tcp, &unix] {
            assert_eq!(try_with(&[("origin", "http://evil.example")], origin), no);
            assert_eq!(try_with(&[("sec-fetch-site", "cross-site")], origin), no);
            assert_eq!(try_with(&[("host", "localhost:2375")], origin), None);
        }
        assert_eq!(try_with(&[("host", "evil.example:2375")], &tcp), no);
        assert_eq!(try_with(&[("host", "%2Fvar%2Frun%2Fdocker.sock")], &unix), None);
        for host in ["127.0.0.1:2375", "[::1]:2375", "MyHost:2375", "docker", ""] {
            assert_eq!(try_with(&[("host", host)], &tcp), None, "{host}");
        }
    }
}
