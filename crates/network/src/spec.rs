//! What a caller asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use id::ContainerId;
use ipnet::IpNet;
pub use portmap::Protocol;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Labels of a network.
pub type Labels = BTreeMap<String, String>;

/// Where a container's network namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxMode {
    /// A namespace of its own: `bridge`, `none` (no endpoints) and user-defined networks.
    Private,
    /// The host's.
    Host,
    /// That of another container, which must have a sandbox.
    Container(ContainerId),
}

/// One network that a container joins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Name or id of the network.
    pub network: String,
    /// Wanted address.
    pub ipv4: Option<Ipv4Addr>,
    /// Wanted address.
    pub ipv6: Option<Ipv6Addr>,
    /// Addresses of the link, added beside the others.
    pub link_local: Vec<IpAddr>,
    /// Wanted hardware address.
    pub mac: Option<netlink::MacAddr>,
    /// Names by which the network's other members find this container, beside its name and short id.
    pub aliases: Vec<String>,
    /// `container[:alias]` as typed: names that only this container sees.
    pub links: Vec<String>,
    /// The endpoint with the highest value gives the default gateway.
    pub gw_priority: i64,
    /// Driver options of the endpoint (`com.docker.network.endpoint.ifname`, `.sysctls`).
    pub driver_opts: BTreeMap<String, String>,
}

impl EndpointSpec {
    /// An endpoint with nothing wished for.
    pub fn new(network: impl Into<String>) -> Self {
        Self { network: network.into(), ..Self::default() }
    }

    /// Reads the strings of the API's `EndpointSettings`. Errors are invalid parameters in Docker's words.
    pub fn from_settings(network: &str, settings: &spec::EndpointSettings) -> Result<Self, Error> {
        let mut out = Self::new(network);
        if let Some(ipam) = &settings.ipam_config {
            if !ipam.ipv4_address.is_empty() {
                out.ipv4 = Some(ipam.ipv4_address.parse().map_err(|_| Error::InvalidIp4(ipam.ipv4_address.clone()))?);
            }
            if !ipam.ipv6_address.is_empty() {
                out.ipv6 = Some(ipam.ipv6_address.parse().map_err(|_| Error::InvalidIp6(ipam.ipv6_address.clone()))?);
            }
            for ip in ipam.link_local_ips.iter().flatten() {
                out.link_local.push(ip.parse().map_err(|_| Error::InvalidLinkLocal(ip.clone()))?);
            }
        }
        if !settings.mac_address.is_empty() {
            out.mac = Some(settings.mac_address.parse().map_err(|_| Error::InvalidMac(settings.mac_address.clone()))?);
        }
        out.aliases = settings.aliases.clone().unwrap_or_default();
        out.links = settings.links.clone().unwrap_or_default();
        out.gw_priority = settings.gw_priority;
        out.driver_opts = settings.driver_opts.clone().unwrap_or_default();
        Ok(out)
    }
}

/// One port that is to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// tcp, udp or sctp.
    pub protocol: Protocol,
    /// Port inside the container.
    pub container_port: u16,
    /// Address on the host; `None`: the daemon's default, on both address families.
    pub host_ip: Option<IpAddr>,
    /// First and last acceptable port on the host; `(0, 0)`: any free one.
    pub host_ports: (u16, u16),
}

impl PortSpec {
    /// Reads `HostConfig.PortBindings` (and, for `--publish-all`, the exposed ports that it does not name).
    /// Errors are invalid parameters in Docker's words.
    pub fn from_bindings(
        bindings: &spec::PortMap,
        exposed: impl IntoIterator<Item = impl AsRef<str>>,
        publish_all: bool,
    ) -> Result<Vec<Self>, Error> {
        let mut out = Vec::new();
        for (key, list) in bindings {
            let (container_port, protocol) = parse_port_key(key)?;
            let any = [spec::PortBinding::default()];
            let list = match list.as_deref() {
                Some(list) if !list.is_empty() => list,
                _ if publish_all => &any,
                _ => continue,
            };
            for binding in list {
                out.push(Self {
                    protocol,
                    container_port,
                    host_ip: parse_host_ip(&binding.host_ip)?,
                    host_ports: parse_host_ports(&binding.host_port)?,
                });
            }
        }
        if publish_all {
            for key in exposed {
                if bindings.contains_key(key.as_ref()) {
                    continue;
                }
                let (container_port, protocol) = parse_port_key(key.as_ref())?;
                out.push(Self { protocol, container_port, host_ip: None, host_ports: (0, 0) });
            }
        }
        Ok(out)
    }
}

fn parse_port_key(key: &str) -> Result<(u16, Protocol), Error> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = protocol.parse().map_err(|_| Error::InvalidProtocol(protocol.to_owned()))?;
    let port = port.parse().map_err(|_| Error::InvalidPort(port.to_owned()))?;
    Ok((port, protocol))
}

fn parse_host_ip(ip: &str) -> Result<Option<IpAddr>, Error> {
    if ip.is_empty() {
        return Ok(None);
    }
    ip.parse().map(Some).map_err(|_| Error::InvalidHostIp(ip.to_owned()))
}

fn parse_host_ports(ports: &str) -> Result<(u16, u16), Error> {
    let bad = || Error::InvalidPort(ports.to_owned());
    if ports.is_empty() {
        return Ok((0, 0));
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let range: (u16, u16) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
    if range.0 > range.1 { Err(bad()) } else { Ok(range) }
}

/// The container's own name-service settings; empty lists mean the daemon's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// `--dns`.
    pub servers: Vec<IpAddr>,
    /// `--dns-search`; `.` alone turns searching off.
    pub search: Vec<String>,
    /// `--dns-option`.
    pub options: Vec<String>,
}

/// Everything about the network side of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Whose sandbox it is.
    pub container_id: ContainerId,
    /// The container's name, without the slash.
    pub name: String,
    /// `Config.Hostname`.
    pub hostname: String,
    /// `Config.Domainname`.
    pub domainname: String,
    /// Where the namespace comes from.
    pub mode: SandboxMode,
    /// The networks to join (mode `Private`).
    pub endpoints: Vec<EndpointSpec>,
    /// The ports to publish.
    pub ports: Vec<PortSpec>,
    /// `--add-host` as typed: `name:address`, `name=address`, `host-gateway` for the address.
    pub extra_hosts: Vec<String>,
    /// Name service.
    pub dns: DnsSpec,
    /// Legacy links on the default bridge: running container, names.
    pub links: Vec<(ContainerId, Vec<String>)>,
}

/// Joining a network while running.
pub type ConnectSpec = EndpointSpec;

/// One subnet that a new network is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpamPoolSpec {
    /// The subnet; `None`: the next one of the default pools.
    pub subnet: Option<IpNet>,
    /// Where addresses are given out from.
    pub ip_range: Option<IpNet>,
    /// The host's address in it.
    pub gateway: Option<IpAddr>,
    /// Name → address that must not be given out.
    pub aux_addresses: BTreeMap<String, IpAddr>,
}

/// A network to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// `bridge` when empty.
    pub driver: String,
    /// `None`: on.
    pub enable_ipv4: Option<bool>,
    /// `None`: off.
    pub enable_ipv6: Option<bool>,
    /// `default` or `null`; empty means `default`.
    pub ipam_driver: String,
    /// Options of the IPAM driver.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Wanted subnets.
    pub ipam: Vec<IpamPoolSpec>,
    /// No way out of it.
    pub internal: bool,
    /// Shown only (swarm).
    pub attachable: bool,
    /// Only a template for others.
    pub config_only: bool,
    /// The template to take settings from.
    pub config_from: Option<String>,
    /// `local` when empty.
    pub scope: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: Labels,
}
