//! What the filter is to achieve, in words of networks and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// How a network is reached from outside (`com.docker.network.bridge.gateway_mode_ipv4`, `…_ipv6`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayMode {
    /// Only published ports, by address translation.
    #[default]
    Nat,
    /// Address translation, and every port reachable by direct routing.
    NatUnprotected,
    /// No translation; published ports reachable by direct routing.
    Routed,
    /// No address of the host in the network (internal networks only).
    Isolated,
}

/// One bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its bridge.
    pub bridge: String,
    /// IPv4 subnet and the host's address in it.
    pub ipv4: Option<(Ipv4Net, Option<Ipv4Addr>)>,
    /// IPv6 subnet and the host's address in it.
    pub ipv6: Option<(Ipv6Net, Option<Ipv6Addr>)>,
    /// Rewrite the source of what leaves.
    pub masquerade: bool,
    /// Source address to use instead of the outgoing interface's.
    pub host_ipv4: Option<Ipv4Addr>,
    /// Source address to use instead of the outgoing interface's.
    pub host_ipv6: Option<Ipv6Addr>,
    /// Nothing enters or leaves.
    pub internal: bool,
    /// Containers may talk to each other.
    pub icc: bool,
    /// IPv4's mode.
    pub mode4: GatewayMode,
    /// IPv6's mode.
    pub mode6: GatewayMode,
    /// Interfaces of the host that may reach published ports by direct routing.
    pub trusted_interfaces: Vec<String>,
}

/// One published port, or a run of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Publish {
    /// The bridge that the container is on.
    pub bridge: String,
    /// 6, 17 or 132.
    pub protocol: u8,
    /// Where on the host; unspecified: everywhere.
    pub host_ip: IpAddr,
    /// First port on the host.
    pub host_port: u16,
    /// The container's address, of the same family.
    pub container_ip: IpAddr,
    /// First port in the container.
    pub container_port: u16,
    /// Translate addresses (mode `nat`); otherwise the port is only opened (mode `routed`).
    pub translate: bool,
}

/// Everything that the table is to achieve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Name of the table.
    pub table: String,
    /// Rules for IPv4.
    pub ipv4: bool,
    /// Rules for IPv6.
    pub ipv6: bool,
    /// Drop forwarded packets that concern no bridge at all: forwarding was turned on for containers only.
    pub drop_foreign: bool,
    /// Containers reach ports published by their own network through the userland proxy: where bridged packets pass the
    /// packet filter (br_netfilter), translated ones would have to leave by the port they came in.
    pub hairpin_by_proxy: bool,
    /// Direct routing to container addresses is not blocked (`--allow-direct-routing`).
    pub allow_direct: bool,
    /// The bridge networks.
    pub networks: Vec<Network>,
    /// The published ports.
    pub published: Vec<Publish>,
}
