use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Gid, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, UnixListener};

/// Connections that the kernel may queue.
const BACKLOG: i32 = 4096;
/// The group that may use the socket when no other is named.
const DEFAULT_GROUP: &str = "docker";

/// A place where the API listens, bound and ready.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) origin: Origin,
    inherited: bool,
}

/// The sockets that a service manager passed (`sd_listen_fds(3)`): descriptors from 3 on, and their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inherited {
    /// How many.
    pub count: usize,
    /// What the units call them; may be fewer.
    pub names: Vec<String>,
}

impl Inherited {
    /// From `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; none if they are meant for another process.
    pub fn from_env() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
        let ours = number("LISTEN_PID") == usize::try_from(std::process::id()).ok();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            count: number("LISTEN_FDS").filter(|_| ours).unwrap_or(0),
            names: names.split(':').filter(|n| !n.is_empty()).map(str::to_owned).collect(),
        }
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A unix socket.
    Unix(PathBuf),
    /// TCP without encryption.
    Tcp(SocketAddr),
    /// TLS.
    Tls(SocketAddr),
}

#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
    Tls(TcpListener, Arc<rustls::ServerConfig>),
}

/// Why a listener cannot be had. Texts are dockerd's where it has one.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// No `PROTO://`.
    #[error("bad format {0}, expected PROTO://ADDR")]
    Format(String),
    /// A protocol that is none.
    #[error("invalid protocol format: {0:?}")]
    Protocol(String),
    /// The unix socket.
    #[error("can't create unix socket {}: {source}", path.display())]
    Unix {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The group that was asked for does not exist.
    #[error("group {0} not found")]
    Group(String),
    /// No address.
    #[error("invalid bind address: {0}")]
    Address(String),
    /// The TCP port.
    #[error("listen tcp {address}: {source}")]
    Tcp {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// `fd://` without a socket of the service manager.
    #[error("no sockets found via socket activation: make sure the service was started by systemd")]
    NoActivation,
    /// `fd://X` where X is neither a number nor the name of a socket that was passed.
    #[error("failed to parse systemd fd address: should be a number: {0}")]
    ActivationName(String),
    /// `fd://N` beyond what was passed.
    #[error("too few socket activated files passed in by systemd")]
    ActivationCount,
    /// What was passed is no listening socket.
    #[error("failed to listen on systemd activated file: fd {0}")]
    Activation(usize),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) | Self::Tls(address) => address.fmt(f),
        }
    }
}

impl Listener {
    /// Where it listens.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it came from a service manager, and so belongs to it.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }
}

/// Binds one `-H` value: `unix://PATH`, `tcp://HOST:PORT` (with `tls` if given), `fd://[N or name]`. Must be called
/// inside a tokio runtime.
///
/// # Errors
/// See [`BindError`].
pub fn listen(
    host: &str,
    group: &str,
    tls: Option<&Arc<rustls::ServerConfig>>,
    inherited: &Inherited,
) -> Result<Vec<Listener>, BindError> {
    let (protocol, address) = host.split_once("://").ok_or_else(|| BindError::Format(host.to_owned()))?;
    match protocol {
        "unix" => Ok(vec![listen_unix(Path::new(address), group)?]),
        "tcp" => Ok(vec![listen_tcp(address, tls)?]),
        "fd" => listen_fd(address, tls, inherited),
        _ => Err(BindError::Protocol(protocol.to_owned())),
    }
}

fn listen_unix(path: &Path, group: &str) -> Result<Listener, BindError> {
    let fail = |source: io::Error| BindError::Unix { path: path.to_owned(), source };
    let gid = match find_group(group).map_err(fail)? {
        Some(gid) => Some(gid),
        None if group == DEFAULT_GROUP || group.is_empty() => {
            if !group.is_empty() {
                tracing::warn!(
                    "could not change group {} to {DEFAULT_GROUP}: group {DEFAULT_GROUP} not found",
                    path.display()
                );
            }
            None
        }
        None => return Err(BindError::Group(group.to_owned())),
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
        _ => {}
    }
    let socket = bind_unix(path, gid).map_err(|e| fail(e.into()))?;
    let listener = std::os::unix::net::UnixListener::from(socket);
    let listener = UnixListener::from_std(listener).map_err(fail)?;
    Ok(Listener { socket: Socket::Unix(listener), origin: Origin::Unix(path.to_owned()), inherited: false })
}

/// The socket file never exists with more rights than it ends up with: its mode is taken from the unbound socket.
fn bind_unix(path: &Path, gid: Option<u32>) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    if let Some(gid) = gid {
        rustix::fs::chown(path, None, Some(Gid::from_raw(gid)))?;
    }
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A group's number by name or number, from `/etc/group`.
fn find_group(group: &str) -> io::Result<Option<u32>> {
    if group.is_empty() {
        return Ok(None);
    }
    let text = match fs::read(Path::new("/etc/group")) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    Ok(group_in(&text, group))
}

fn group_in(text: &str, group: &str) -> Option<u32> {
    let number = group.parse().ok();
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
            (name == group || number == Some(gid)).then_some(gid)
        })
        .or(number)
}

fn listen_tcp(address: &str, tls: Option<&Arc<rustls::ServerConfig>>) -> Result<Listener, BindError> {
    let parsed = tcp_address(address).ok_or_else(|| BindError::Address(address.to_owned()))?;
    let fail = |source| BindError::Tcp { address: address.to_owned(), source };
    let listener = std::net::TcpListener::bind(parsed).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    tcp_listener(listener, tls).map_err(fail)
}

fn tcp_listener(listener: std::net::TcpListener, tls: Option<&Arc<rustls::ServerConfig>>) -> io::Result<Listener> {
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    Ok(match tls {
        Some(tls) => {
            Listener { socket: Socket::Tls(listener, tls.clone()), origin: Origin::Tls(address), inherited: false }
        }
        None => Listener { socket: Socket::Tcp(listener), origin: Origin::Tcp(address), inherited: false },
    })
}

/// `HOST:PORT` with a literal address, `localhost`, or nothing (all addresses) as host. Names are not looked up:
/// this program must not use the system's resolver.
pub(crate) fn tcp_address(address: &str) -> Option<SocketAddr> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let ip = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host) {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => host.parse().ok()?,
    };
    Some(SocketAddr::new(ip, port))
}

/// Sockets that the service manager passed, descriptors 3 and up (`sd_listen_fds(3)`).
fn listen_fd(
    address: &str,
    tls: Option<&Arc<rustls::ServerConfig>>,
    inherited: &Inherited,
) -> Result<Vec<Listener>, BindError> {
    if inherited.count == 0 {
        return Err(BindError::NoActivation);
    }
    let wanted: Vec<usize> = match address {
        "" | "*" => (3..3 + inherited.count).collect(),
        one => match one.parse::<usize>() {
            Ok(fd) if (3..3 + inherited.count).contains(&fd) => vec![fd],
            Ok(_) => return Err(BindError::ActivationCount),
            Err(_) => {
                let names = inherited.names.iter().enumerate().take(inherited.count);
                let named: Vec<usize> = names.filter(|(_, name)| *name == one).map(|(n, _)| 3 + n).collect();
                if named.is_empty() {
                    return Err(BindError::ActivationName(one.to_owned()));
                }
                named
            }
        },
    };
    wanted.into_iter().map(|fd| adopt(fd, tls).ok_or(BindError::Activation(fd))).collect()
}

/// Opens another description-sharing handle of an inherited descriptor through `/proc` is not possible for sockets, so
/// the descriptor itself is duplicated by number.
fn adopt(fd: usize, tls: Option<&Arc<rustls::ServerConfig>>) -> Option<Listener> {
    let fd = sys::inherited::duplicate(i32::try_from(fd).ok()?).ok()?;
    if !rustix::net::sockopt::socket_acceptconn(&fd).ok()? {
        return None;
    }
    match rustix::net::sockopt::socket_domain(&fd).ok()? {
        AddressFamily::UNIX => {
            let listener = std::os::unix::net::UnixListener::from(fd);
            listener.set_nonblocking(true).ok()?;
            let path = listener.local_addr().ok()?.as_pathname().map(Path::to_owned).unwrap_or_default();
            let listener = UnixListener::from_std(listener).ok()?;
            Some(Listener { socket: Socket::Unix(listener), origin: Origin::Unix(path), inherited: true })
        }
        AddressFamily::INET | AddressFamily::INET6 => {
            let listener = std::net::TcpListener::from(fd);
            listener.set_nonblocking(true).ok()?;
            Some(Listener { inherited: true, ..tcp_listener(listener, tls).ok()? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_number() {
        let text = "root:x:0:\ndocker:x:998:me,you\nbroken\n";
        assert_eq!(group_in(text, "docker"), Some(998));
        assert_eq!(group_in(text, "998"), Some(998));
        assert_eq!(group_in(text, "4242"), Some(4242));
        assert_eq!(group_in(text, "nosuch"), None);
    }

    #[test]
    fn tcp_addresses_are_literal() {
        assert_eq!(tcp_address("127.0.0.1:2375").map(|a| a.to_string()).as_deref(), Some("127.0.0.1:2375"));
        assert_eq!(tcp_address(":2376").map(|a| a.to_string()).as_deref(), Some("[::]:2376"));
        assert_eq!(tcp_address("[::1]:1").map(|a| a.to_string()).as_deref(), Some("[::1]:1"));
        assert_eq!(tcp_address("localhost:0").map(|a| a.to_string()).as_deref(), Some("127.0.0.1:0"));
        assert_eq!(tcp_address("example.com:1"), None);
        assert_eq!(tcp_address("127.0.0.1"), None);
    }

    #[tokio::test]
    async fn the_socket_is_for_its_group_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("deep/docker.sock");
        let host = format!("unix://{}", path.display());
        for _ in 0..2 {
            listen(&host, "", None, &Inherited::default()).expect("binds, also over an old socket");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o660);
        }
        let e = listen(&host, "no-such-group-here", None, &Inherited::default()).expect_err("unknown group");
        assert_eq!(e.to_string(), "group no-such-group-here not found");
    }
}
