//! What the API shows of networks (newest version; fields as in `network.Inspect`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use id::{ContainerId, NetworkId};
use ipnet::IpNet;

use crate::spec::Labels;

/// A network, as far as most callers care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRef {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
}

/// The answer to a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCreated {
    /// The new network.
    pub id: NetworkId,
    /// What the user should know (may be empty).
    pub warning: String,
}

/// One subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// The subnet.
    pub subnet: IpNet,
    /// Where addresses come from, if narrower.
    pub ip_range: Option<IpNet>,
    /// The host's address.
    pub gateway: Option<IpAddr>,
    /// Addresses not given out.
    pub aux_addresses: BTreeMap<String, IpAddr>,
}

/// `Status.IPAM.Subnets[…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetStatus {
    /// Addresses in use, network and broadcast address and gateway included.
    pub ips_in_use: u64,
    /// Addresses that can still be given out (saturates).
    pub dynamic_ips_available: u64,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// The container's name.
    pub name: String,
    /// The endpoint.
    pub endpoint_id: NetworkId,
    /// Its hardware address, or empty.
    pub mac_address: String,
    /// `address/prefix`, or empty.
    pub ipv4_address: String,
    /// `address/prefix`, or empty.
    pub ipv6_address: String,
}

/// Everything about a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkView {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: SystemTime,
    /// `local`.
    pub scope: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// IPv4 on.
    pub enable_ipv4: bool,
    /// IPv6 on.
    pub enable_ipv6: bool,
    /// `default`.
    pub ipam_driver: String,
    /// Options of the IPAM driver (`null` when none were given).
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Its subnets; `None` for host and none (shown as `null`).
    pub ipam: Option<Vec<PoolView>>,
    /// No way out.
    pub internal: bool,
    /// Shown only.
    pub attachable: bool,
    /// Swarm's ingress network; never here.
    pub ingress: bool,
    /// Name of the template.
    pub config_from: String,
    /// Only a template.
    pub config_only: bool,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: Labels,
    /// Running containers on it (inspect only shows them; list does not).
    pub containers: BTreeMap<ContainerId, EndpointView>,
    /// `Status.IPAM`: use of each subnet.
    pub status: Vec<(IpNet, SubnetStatus)>,
}
