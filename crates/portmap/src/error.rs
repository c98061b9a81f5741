use std::net::IpAddr;

use crate::Protocol;

/// Why a port could not be had. The texts are Docker's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Binding the host's port failed.
    #[error("failed to bind host port for {host}: {source}")]
    Bind {
        /// `0.0.0.0:80:172.17.0.2:80/tcp`.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another container has it.
    #[error("Bind for {}:{port} failed: port is already allocated", display_ip(*ip))]
    Allocated {
        /// Address on the host.
        ip: IpAddr,
        /// Port on the host.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// Every port of the range is taken.
    #[error("all ports are allocated")]
    Exhausted,
}

fn display_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
