//! `/networks`.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::null_default;

/// A network, as `GET /networks` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// RFC 3339 with nanoseconds.
    pub created: String,
    /// `local` or `swarm`.
    pub scope: String,
    /// `bridge`, `host`, `null`, …
    pub driver: String,
    /// Has IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Cut off from the outside.
    pub internal: bool,
    /// Containers outside of Swarm may join.
    pub attachable: bool,
    /// Swarm's routing mesh.
    pub ingress: bool,
    /// Where its configuration comes from.
    pub config_from: ConfigReference,
    /// Only a configuration for others.
    pub config_only: bool,
    /// The driver's options.
    #[serde(deserialize_with = "null_default")]
    pub options: Map<String>,
    /// Labels.
    #[serde(deserialize_with = "null_default")]
    pub labels: Map<String>,
    /// Swarm peers.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub peers: Vec<PeerInfo>,
}

/// Answer of `GET /networks/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkInspect {
    /// The network.
    #[serde(flatten)]
    pub network: Network,
    /// Who is connected, by container id.
    #[serde(deserialize_with = "null_default")]
    pub containers: Map<EndpointResource>,
    /// Swarm services (verbose only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Map<serde_json::Value>>,
    /// How full its subnets are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<NetworkStatus>,
}

/// How full a network is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStatus {
    /// Addresses.
    #[serde(rename = "IPAM")]
    pub ipam: IpamStatus,
}

/// How full a network's subnets are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamStatus {
    /// By CIDR.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "null_default")]
    pub subnets: Map<SubnetStatus>,
}

/// How full a subnet is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubnetStatus {
    /// Addresses in use or reserved.
    #[serde(rename = "IPsInUse")]
    pub ips_in_use: u64,
    /// Addresses that can still be given out.
    #[serde(rename = "DynamicIPsAvailable")]
    pub dynamic_ips_available: u64,
}

/// Addresses of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// `default` or a plugin's name.
    #[serde(deserialize_with = "null_default")]
    pub driver: String,
    /// The driver's options; `null` if none.
    pub options: Option<Map<String>>,
    /// Subnets; `null` for networks without addresses of their own.
    pub config: Option<Vec<IpamConfig>>,
}

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    /// CIDR.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub subnet: String,
    /// CIDR that addresses are taken from.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub ip_range: String,
    /// The gateway's address.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub gateway: String,
    /// Addresses that are taken, by name.
    #[serde(rename = "AuxiliaryAddresses", skip_serializing_if = "Map::is_empty", deserialize_with = "null_default")]
    pub auxiliary_addresses: Map<String>,
}

/// Names another network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigReference {
    /// Its name.
    #[serde(deserialize_with = "null_default")]
    pub network: String,
}

/// A Swarm peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerInfo {
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its address.
    #[serde(rename = "IP")]
    pub ip: String,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointResource {
    /// The container's name.
    #[serde(rename = "Name")]
    pub name: String,
    /// The endpoint's id.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Hardware address.
    #[serde(rename = "MacAddress")]
    pub mac_address: String,
    /// Address and prefix length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// Address and prefix length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// Body of `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateRequest {
    /// Its name.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// Empty: `bridge`.
    #[serde(deserialize_with = "null_default")]
    pub driver: String,
    /// Empty: the driver's.
    #[serde(deserialize_with = "null_default")]
    pub scope: String,
    /// Absent: yes.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Absent: the daemon's default.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// Addresses; absent: from the daemon's pools.
    #[serde(rename = "IPAM")]
    pub ipam: Option<Ipam>,
    /// Cut off from the outside.
    #[serde(deserialize_with = "null_default")]
    pub internal: bool,
    /// Containers outside of Swarm may join.
    #[serde(deserialize_with = "null_default")]
    pub attachable: bool,
    /// Swarm's routing mesh.
    #[serde(deserialize_with = "null_default")]
    pub ingress: bool,
    /// Only a configuration for others.
    #[serde(deserialize_with = "null_default")]
    pub config_only: bool,
    /// Take the configuration of that network.
    pub config_from: Option<ConfigReference>,
    /// The driver's options.
    #[serde(deserialize_with = "null_default")]
    pub options: Map<String>,
    /// Labels.
    #[serde(deserialize_with = "null_default")]
    pub labels: Map<String>,
}

/// Answer of `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateResponse {
    /// The new network.
    pub id: String,
    /// Something the user should know.
    pub warning: String,
}

/// Body of `POST /networks/{id}/connect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConnectRequest {
    /// Name or id.
    #[serde(deserialize_with = "null_default")]
    pub container: String,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_config: Option<spec::EndpointSettings>,
}

/// Body of `POST /networks/{id}/disconnect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DisconnectRequest {
    /// Name or id.
    #[serde(deserialize_with = "null_default")]
    pub container: String,
    /// Even if something is wrong.
    #[serde(deserialize_with = "null_default")]
    pub force: bool,
}

/// Answer of `POST /networks/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PruneReport {
    /// Names of the networks that are gone; `null` if none.
    pub networks_deleted: Option<Vec<String>>,
}
