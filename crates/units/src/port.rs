//! Port specifications: `[[ip:][hostPort]:]containerPort[/proto]`, each port possibly a range.

use std::net::IpAddr;

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A port specification that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PortError {
    /// Nothing after the last colon.
    #[error("no port specified: {spec}<empty>")]
    Missing {
        /// The whole specification.
        spec: String,
    },
    /// A protocol other than tcp, udp and sctp.
    #[error("invalid proto: {proto}")]
    Proto {
        /// The protocol, in lower case.
        proto: String,
    },
    /// Not an IP address.
    #[error("invalid IP address: {ip}")]
    Ip {
        /// The address part.
        ip: String,
    },
    /// Brackets that do not close.
    #[error("invalid IP address {ip}: address {ip}:: missing ']' in address")]
    Bracket {
        /// The address part.
        ip: String,
    },
    /// Not a port or range.
    #[error("invalid containerPort: {port}")]
    ContainerPort {
        /// The container's part.
        port: String,
    },
    /// Not a port or range.
    #[error("invalid hostPort: {port}")]
    HostPort {
        /// The host's part.
        port: String,
    },
    /// Ranges of different lengths.
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    RangeMismatch {
        /// The container's range.
        container: String,
        /// The host's range.
        host: String,
    },
    /// No text at all.
    #[error("empty string specified for ports")]
    Empty,
    /// The first number of a range is none.
    #[error("invalid start port '{port}': {reason}")]
    Start {
        /// The number as given.
        port: String,
        /// Why not.
        reason: &'static str,
    },
    /// The last number of a range is none.
    #[error("invalid end port '{port}': {reason}")]
    End {
        /// The number as given.
        port: String,
        /// Why not.
        reason: &'static str,
    },
    /// The range runs backwards.
    #[error("invalid port range: {range}")]
    Backwards {
        /// The range.
        range: String,
    },
}

impl HasKind for PortError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Transport protocols a port can be published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Proto {
    /// Reads `tcp`, `udp`, `sctp` in any case.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        match text.to_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            other => Err(PortError::Proto { proto: other.to_owned() }),
        }
    }

    /// `tcp`, `udp` or `sctp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A port of a container, printed as `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// The protocol.
    pub proto: Proto,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.proto.as_str())
    }
}

impl Port {
    /// Reads `80`, `80/tcp` (one port, no range).
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let (number, proto) = text.split_once('/').unwrap_or((text, "tcp"));
        let proto = Proto::parse(if proto.is_empty() { "tcp" } else { proto })?;
        let (start, end) = parse_range(number)?;
        if start != end {
            return Err(PortError::Start { port: number.to_owned(), reason: "invalid syntax" });
        }
        Ok(Self { number: start, proto })
    }
}

/// One container port with where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortMapping {
    /// The container's port.
    pub port: Port,
    /// The host's address as given (without brackets), empty for any.
    pub host_ip: String,
    /// The host's port: empty (the engine chooses), a number, or a range `8000-8010` to choose from.
    pub host_port: String,
}

/// Reads one or two numbers, `80` or `80-90`.
pub fn parse_range(text: &str) -> Result<(u16, u16), PortError> {
    if text.is_empty() {
        return Err(PortError::Empty);
    }
    let (start, end) = match text.split_once('-') {
        Some((start, end)) => (start, Some(end)),
        None => (text, None),
    };
    let first = number(start).map_err(|reason| PortError::Start { port: start.to_owned(), reason })?;
    let Some(end) = end.filter(|end| *end != start) else { return Ok((first, first)) };
    let last = number(end).map_err(|reason| PortError::End { port: end.to_owned(), reason })?;
    if last < first {
        return Err(PortError::Backwards { range: text.to_owned() });
    }
    Ok((first, last))
}

fn number(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Err("value is empty");
    }
    let value = crate::num::parse_int(text).map_err(|e| e.reason())?;
    u16::try_from(value).map_err(|_| "value out of range (0–65535)")
}

fn split_parts(spec: &str) -> (&str, &str, &str) {
    let Some((rest, container)) = spec.rsplit_once(':') else { return ("", "", spec) };
    match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host, container),
        None => ("", rest, container),
    }
}

/// Reads a `-p` value into one mapping per container port.
pub fn parse_port_spec(spec: &str) -> Result<Vec<PortMapping>, PortError> {
    let (ip, host, container) = split_parts(spec);
    let (container, proto) = container.split_once('/').unwrap_or((container, "tcp"));
    if container.is_empty() {
        return Err(PortError::Missing { spec: spec.to_owned() });
    }
    let proto = Proto::parse(if proto.is_empty() { "tcp" } else { proto })?;
    let ip = parse_host_ip(ip)?;
    let (first, last) = parse_range(container).map_err(|_| PortError::ContainerPort { port: container.to_owned() })?;
    let host_range = if host.is_empty() {
        None
    } else {
        Some(parse_range(host).map_err(|_| PortError::HostPort { port: host.to_owned() })?)
    };
    if let Some((from, to)) = host_range
        && last - first != to - from
        && first != last
    {
        return Err(PortError::RangeMismatch { container: container.to_owned(), host: host.to_owned() });
    }
    let mappings = (first..=last).map(|number| PortMapping {
        port: Port { number, proto },
        host_ip: ip.to_owned(),
        host_port: match host_range {
            None => String::new(),
            Some((from, to)) if first == last && from != to => format!("{from}-{to}"),
            Some((from, _)) => (from + (number - first)).to_string(),
        },
    });
    Ok(mappings.collect())
}

fn parse_host_ip(ip: &str) -> Result<&str, PortError> {
    if ip.is_empty() {
        return Ok(ip);
    }
    let bare = match ip.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| PortError::Bracket { ip: ip.to_owned() })?,
        None => ip,
    };
    match bare.parse::<IpAddr>() {
        Ok(_) => Ok(bare),
        Err(_) => Err(PortError::Ip { ip: bare.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: &str, want: &[(&str, &str, &str)]) {
        let got = parse_port_spec(spec).unwrap();
        let got: Vec<_> = got.iter().map(|m| (m.port.to_string(), m.host_ip.clone(), m.host_port.clone())).collect();
        let want: Vec<_> = want.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
        assert_eq!(got, want, "{spec}");
    }

    #[test]
    fn accepts() {
        check("80", &[("80/tcp", "", "")]);
        check("8080:80", &[("80/tcp", "", "8080")]);
        check("127.0.0.1:8080:80/UDP", &[("80/udp", "127.0.0.1", "8080")]);
        check("127.0.0.1::80", &[("80/tcp", "127.0.0.1", "")]);
        check("[::1]:8080:80", &[("80/tcp", "::1", "8080")]);
        check("::1:8080:80", &[("80/tcp", "::1", "8080")]);
        check("8000-8001:80-81", &[("80/tcp", "", "8000"), ("81/tcp", "", "8001")]);
        check("8000-8010:80", &[("80/tcp", "", "8000-8010")]);
        check("80/", &[("80/tcp", "", "")]);
    }

    #[test]
    fn refuses() {
        for (spec, want) in [
            ("", "no port specified: <empty>"),
            ("80:", "no port specified: 80:<empty>"),
            ("80/foo", "invalid proto: foo"),
            ("x", "invalid containerPort: x"),
            ("x:80", "invalid hostPort: x"),
            ("70000", "invalid containerPort: 70000"),
            ("256.0.0.1:80:80", "invalid IP address: 256.0.0.1"),
            ("localhost:80:80", "invalid IP address: localhost"),
            ("80-82:90-91", "invalid ranges specified for container and host Ports: 90-91 and 80-82"),
        ] {
            assert_eq!(parse_port_spec(spec).unwrap_err().to_string(), want, "{spec}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(parse_range("80-90"), Ok((80, 90)));
        assert_eq!(parse_range("90-80").unwrap_err().to_string(), "invalid port range: 90-80");
        assert_eq!(parse_range("x").unwrap_err().to_string(), "invalid start port 'x': invalid syntax");
    }
}
