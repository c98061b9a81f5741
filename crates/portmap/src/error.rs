use std::net::{IpAddr, SocketAddr};

/// Why a port could not be had. The texts are Docker's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host's kernel did not let us have it.
    #[error("failed to bind host port for {}:{host_port}:{container}/{protocol}: {}", bracketed(*.host_ip), plain(.source))]
    Bind {
        /// Address on the host.
        host_ip: IpAddr,
        /// Port on the host.
        host_port: u16,
        /// Address and port of the container.
        container: SocketAddr,
        /// Its protocol.
        protocol: crate::Protocol,
        /// Why.
        source: std::io::Error,
    },
    /// Another container has it.
    #[error("Bind for {}:{port} failed: port is already allocated", bracketed(*.ip))]
    Allocated {
        /// Address on the host.
        ip: IpAddr,
        /// Port on the host.
        port: u16,
    },
    /// Every port of the range is taken.
    #[error("all ports are allocated")]
    Exhausted,
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The errno's text as Go has it.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rfind(" (os error").map_or_else(|| text.clone(), |end| text[..end].to_lowercase())
}
