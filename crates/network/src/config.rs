//! The daemon's settings that concern networking (dockerd's flags of the same names).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which mechanism programs the packet filter. Gantry always speaks nftables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirewallBackend {
    /// nftables over netlink.
    #[default]
    Nftables,
    /// No rules at all (`--iptables=false --ip6tables=false`).
    None,
}

/// One entry of `default-address-pools`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPool {
    /// The range that networks are cut from.
    pub base: IpNet,
    /// Prefix length of each network.
    pub size: u8,
}

/// Settings of the [`crate::Service`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Run-time directory (`/run/docker`): namespaces are kept alive under `<exec_root>/netns`.
    pub exec_root: PathBuf,
    /// Durable directory; tells daemons that run side by side apart.
    pub data_root: PathBuf,
    /// `--bridge`: the default bridge's interface, `docker0`; `None` for `--bridge=none`.
    pub bridge: Option<String>,
    /// `--bip`: address and prefix of the default bridge.
    pub bip: Option<Ipv4Net>,
    /// `--bip6`.
    pub bip6: Option<Ipv6Net>,
    /// `--fixed-cidr`: where the default bridge's containers get their addresses from.
    pub fixed_cidr: Option<Ipv4Net>,
    /// `--fixed-cidr-v6`.
    pub fixed_cidr_v6: Option<Ipv6Net>,
    /// `--default-gateway`: the gateway that containers on the default bridge use.
    pub default_gateway: Option<std::net::Ipv4Addr>,
    /// `--default-gateway-v6`.
    pub default_gateway_v6: Option<std::net::Ipv6Addr>,
    /// `--ipv6`: IPv6 on the default bridge.
    pub ipv6: bool,
    /// `--default-address-pool`; empty means Docker's own.
    pub default_address_pools: Vec<AddressPool>,
    /// `--iptables`: program the packet filter for IPv4.
    pub iptables: bool,
    /// `--ip6tables`: program the packet filter for IPv6.
    pub ip6tables: bool,
    /// `--ip-forward`: turn on forwarding.
    pub ip_forward: bool,
    /// `--ip-forward-no-drop`: do not drop foreign forwarded traffic when forwarding was turned on by us.
    pub ip_forward_no_drop: bool,
    /// `--ip-masq`: masquerade the default bridge.
    pub ip_masq: bool,
    /// `--icc`: containers on the default bridge may talk to each other.
    pub icc: bool,
    /// `--userland-proxy`.
    pub userland_proxy: bool,
    /// `--allow-direct-routing`.
    pub allow_direct_routing: bool,
    /// `--mtu` of the default bridge.
    pub mtu: u32,
    /// `--ip`: where ports are published when no address is named.
    pub default_bind_ip: IpAddr,
    /// `--dns`.
    pub dns: Vec<IpAddr>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-opt`.
    pub dns_options: Vec<String>,
    /// `--host-gateway-ip`: what `host-gateway` in extra hosts means; empty: the default bridge's address.
    pub host_gateway_ips: Vec<IpAddr>,
    /// `--default-network-opt`: driver → options of new networks.
    pub default_network_opts: BTreeMap<String, BTreeMap<String, String>>,
    /// How many fresh namespaces are kept ready once networking is in use; 0 turns the pool off.
    pub pool_size: usize,
}

impl Config {
    /// dockerd's defaults for these two roots.
    pub fn new(exec_root: PathBuf, data_root: PathBuf) -> Self {
        Self {
            exec_root,
            data_root,
            bridge: Some("docker0".to_owned()),
            bip: None,
            bip6: None,
            fixed_cidr: None,
            fixed_cidr_v6: None,
            default_gateway: None,
            default_gateway_v6: None,
            ipv6: false,
            default_address_pools: Vec::new(),
            iptables: true,
            ip6tables: true,
            ip_forward: true,
            ip_forward_no_drop: false,
            ip_masq: true,
            icc: true,
            userland_proxy: true,
            allow_direct_routing: false,
            mtu: 1500,
            default_bind_ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            host_gateway_ips: Vec::new(),
            default_network_opts: BTreeMap::new(),
            pool_size: 4,
        }
    }

    /// Which firewall these settings ask for.
    pub fn firewall(&self) -> FirewallBackend {
        if self.iptables || self.ip6tables { FirewallBackend::Nftables } else { FirewallBackend::None }
    }
}
