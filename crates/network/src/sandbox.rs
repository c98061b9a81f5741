//! What a running container's network side looks like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use id::NetworkId;
use portmap::Protocol;
use serde::{Deserialize, Serialize};

/// One live endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// The network.
    pub network_id: NetworkId,
    /// Its name.
    pub network_name: String,
    /// This endpoint.
    pub endpoint_id: NetworkId,
    /// Address and prefix length.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// The network's IPv4 gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Address and prefix length.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// The network's IPv6 gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// Hardware address (`None` for `none` and `host`).
    pub mac: Option<netlink::MacAddr>,
    /// Names that others find it by: name, aliases, short id, host name (`DNSNames`; empty where there is no name
    /// service).
    pub dns_names: Vec<String>,
    /// Interface in the container.
    pub if_name: String,
    /// The other end on the host.
    pub host_if: String,
    /// The wish it came from.
    pub gw_priority: i64,
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPort {
    /// tcp, udp or sctp.
    pub protocol: Protocol,
    /// Port inside the container.
    pub container_port: u16,
    /// Address on the host.
    pub host_ip: IpAddr,
    /// Port on the host.
    pub host_port: u16,
}

/// The network side of one running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// `NetworkSettings.SandboxID`.
    pub id: NetworkId,
    /// `NetworkSettings.SandboxKey`: the namespace to join; `None` for the host's.
    pub netns_path: Option<PathBuf>,
    /// Its endpoints, the one with the default gateway first.
    pub endpoints: Vec<EndpointState>,
    /// Its published ports.
    pub ports: Vec<BoundPort>,
    /// The contents for `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The contents for `/etc/hosts`.
    pub hosts: String,
}
