//! Holding a host port by a socket, so that every other process gets EADDRINUSE.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use crate::Protocol;

const BACKLOG: i32 = 4096;

/// A socket that holds a port of the host.
#[derive(Debug)]
pub enum HeldPort {
    /// Listening; connections come only by ways that the packet filter does not translate.
    Tcp(TcpListener),
    /// Bound.
    Udp(UdpSocket),
    /// Listening, never accepted from.
    Sctp(OwnedFd),
    /// The kernel has no such protocol: held only in our books.
    Unsupported,
}

impl HeldPort {
    /// Binds a port in the calling thread's network namespace.
    pub fn bind(protocol: Protocol, ip: IpAddr, port: u16) -> io::Result<Self> {
        let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (kind, proto) = match protocol {
            Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
            Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
            Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
        };
        let fd = match rustix::net::socket_with(family, kind, flags, Some(proto)) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::PROTONOSUPPORT) if protocol == Protocol::Sctp => return Ok(Self::Unsupported),
            Err(e) => return Err(e.into()),
        };
        if ip.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, true)?;
        }
        if protocol != Protocol::Udp {
            // Connections of the port's last owner may still be in TIME_WAIT; a listener there is still a conflict.
            sockopt::set_socket_reuseaddr(&fd, true)?;
        }
        rustix::net::bind(&fd, &SocketAddr::new(ip, port))?;
        Ok(match protocol {
            Protocol::Tcp => {
                rustix::net::listen(&fd, BACKLOG)?;
                Self::Tcp(fd.into())
            }
            Protocol::Udp => Self::Udp(fd.into()),
            Protocol::Sctp => {
                rustix::net::listen(&fd, BACKLOG)?;
                Self::Sctp(fd)
            }
        })
    }
}
