//! Names to addresses without the C library's resolver (a static program must not use it): `/etc/hosts`, then the
//! servers of `/etc/resolv.conf` over UDP, and over TCP where the answer does not fit (RFC 1035, resolv.conf(5)).

mod wire;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::TransportError;
use crate::failure::{dial_text, plain_text};
use wire::{Answer, Kind};

/// Files longer than this are cut.
const FILE_MAX: usize = 1 << 20;

/// Looks names up. The files are read anew for each name, as they change when networks do.
#[derive(Debug)]
pub(super) struct Resolver {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    next_id: AtomicU16,
}

/// What `resolv.conf` says.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    attempts: usize,
    timeout: Duration,
}

/// The addresses of a host, by the machine's own files and servers, without the C library; at least one.
///
/// # Errors
/// Nobody knows it, or nobody can be asked.
pub async fn lookup(host: &str) -> Result<Vec<IpAddr>, TransportError> {
    Resolver::system().lookup(host).await
}

impl Resolver {
    pub(super) fn system() -> Self {
        Self::with_files("/etc/hosts".into(), "/etc/resolv.conf".into())
    }

    fn with_files(hosts: PathBuf, resolv_conf: PathBuf) -> Self {
        let seed = RandomState::new().hash_one(std::process::id()).to_le_bytes();
        Self { hosts, resolv_conf, next_id: AtomicU16::new(u16::from_le_bytes([seed[0], seed[1]])) }
    }

    /// The addresses of `host`, IPv6 and IPv4 in turn; at least one.
    pub(super) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, TransportError> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let local = from_hosts(&read(&self.hosts).await, &name);
        if !local.is_empty() {
            return Ok(local);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        let settings = Settings::parse(&read(&self.resolv_conf).await);
        let mut failure = TransportError::NoSuchHost { host: host.to_owned() };
        for candidate in settings.candidates(&name, host.ends_with('.')) {
            let (v6, v4) = tokio::join!(
                self.ask_all(&settings, &candidate, Kind::Aaaa),
                self.ask_all(&settings, &candidate, Kind::A)
            );
            let mut found = interleave(v6.as_deref().unwrap_or(&[]), v4.as_deref().unwrap_or(&[]));
            if !found.is_empty() {
                found.dedup();
                return Ok(found);
            }
            if let (_, Err((server, why))) | (Err((server, why)), _) = (v6, v4) {
                failure = TransportError::Lookup { host: host.to_owned(), server: server.to_string(), why };
            }
        }
        Err(failure)
    }

    /// Asks the servers in turn, `attempts` times.
    async fn ask_all(&self, settings: &Settings, name: &str, kind: Kind) -> Result<Vec<IpAddr>, (SocketAddr, String)> {
        let mut failure = (SocketAddr::from(([127, 0, 0, 1], 53)), "no name servers".to_owned());
        for _ in 0..settings.attempts {
            for server in &settings.servers {
                match tokio::time::timeout(settings.timeout, self.ask(*server, name, kind)).await {
                    Ok(Ok(Answer::Addresses(found))) => return Ok(found),
                    Ok(Ok(Answer::NoSuchName)) => return Ok(Vec::new()),
                    Ok(Ok(Answer::Failed | Answer::Truncated)) => failure = (*server, "server misbehaving".to_owned()),
                    Ok(Err(e)) => failure = (*server, udp_text(*server, &e)),
                    Err(_) => failure = (*server, "i/o timeout".to_owned()),
                }
            }
        }
        Err(failure)
    }

    async fn ask(&self, server: SocketAddr, name: &str, kind: Kind) -> io::Result<Answer> {
        // An own socket, hence an own port, for each question: harder to answer for somebody else.
        let id = self.next_id.fetch_add(0x9e37, Ordering::Relaxed);
        let Some(query) = wire::query(id, name, kind) else { return Ok(Answer::NoSuchName) };
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        socket.send(&query).await?;
        let mut buffer = vec![0; 4096];
        let answer = loop {
            let n = socket.recv(&mut buffer).await?;
            if let Some(answer) = wire::parse(&buffer[..n], &query, kind) {
                break answer;
            }
        };
        if answer != Answer::Truncated {
            return Ok(answer);
        }
        let mut tcp = TcpStream::connect(server).await?;
        let len = u16::try_from(query.len()).unwrap_or(0).to_be_bytes();
        tcp.write_all(&[&len[..], &query].concat()).await?;
        let mut long = vec![0; usize::from(tcp.read_u16().await?)];
        tcp.read_exact(&mut long).await?;
        Ok(wire::parse(&long, &query, kind).unwrap_or(Answer::Failed))
    }
}

/// Go's words for a question that did not reach `server`, or came back.
fn udp_text(server: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("dial udp {server}: {}", dial_text(error))
        }
        _ => format!("read udp {server}: read: {}", plain_text(error)),
    }
}

impl Settings {
    fn parse(text: &str) -> Self {
        let mut s =
            Self { servers: Vec::new(), search: Vec::new(), ndots: 1, attempts: 2, timeout: Duration::from_secs(5) };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().and_then(|w| w.split('%').next()).and_then(|w| w.parse::<IpAddr>().ok());
                    s.servers.extend(server.filter(|_| s.servers.len() < 3).map(|ip| SocketAddr::new(ip, 53)));
                }
                Some("domain" | "search") => {
                    s.search =
                        words.map(|w| w.trim_matches('.').to_ascii_lowercase()).filter(|w| !w.is_empty()).collect();
                }
                Some("options") => {
                    for word in words {
                        match word.split_once(':').map(|(k, v)| (k, v.parse::<usize>())) {
                            Some(("ndots", Ok(n))) => s.ndots = n.min(15),
                            Some(("attempts", Ok(n))) => s.attempts = n.clamp(1, 5),
                            Some(("timeout", Ok(n))) => s.timeout = Duration::from_secs(n.clamp(1, 30) as u64),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if s.servers.is_empty() {
            s.servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
        }
        s
    }

    /// The full names to try, in order.
    fn candidates(&self, name: &str, absolute: bool) -> Vec<String> {
        if absolute {
            return vec![name.to_owned()];
        }
        let mut list: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let dots = name.matches('.').count();
        list.insert(if dots >= self.ndots { 0 } else { list.len() }, name.to_owned());
        list
    }
}

async fn read(path: &std::path::Path) -> String {
    let mut text = tokio::fs::read(path).await.unwrap_or_default();
    text.truncate(FILE_MAX);
    String::from_utf8_lossy(&text).into_owned()
}

fn from_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let Some(ip) = words.next().and_then(|w| w.parse().ok()) else { continue };
        if words.any(|w| w.trim_end_matches('.').eq_ignore_ascii_case(name)) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

fn interleave(a: &[IpAddr], b: &[IpAddr]) -> Vec<IpAddr> {
    let longest = a.len().max(b.len());
    (0..longest).flat_map(|i| [a.get(i), b.get(i)]).flatten().copied().collect()
}

#[cfg(test)]
mod tests;
