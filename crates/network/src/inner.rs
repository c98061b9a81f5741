//! What the service is made of.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firewall::{Desired, Executor, Publish};
use portmap::PortSet;

use crate::files::ResolvConf;
use crate::host::{BridgePlan, Host};
use crate::pool::Pool;
use crate::reaper::Reaper;
use crate::record::{Driver, SandboxRecord};
use crate::state::{Network, State};
use crate::{Config, Error};

/// Shared by all clones of the service. Locks are taken in the order `filter`, `state`; none is held across a wait.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Arc<metastore::Db>,
    pub(crate) host: Arc<Host>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) ports: PortSet,
    pub(crate) reaper: Reaper,
    pub(crate) host_has_ipv6: bool,
    /// Whether forwarding was turned on by us, so that what is not ours must not be forwarded.
    pub(crate) drop_foreign: bool,
    /// Made and removed one at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    filter: Mutex<Option<Executor>>,
}

impl Inner {
    #[expect(clippy::too_many_arguments, reason = "called once, by the one who makes the parts")]
    pub(crate) fn new(
        config: Config,
        store: Arc<metastore::Db>,
        host: Arc<Host>,
        reaper: Reaper,
        ports: PortSet,
        state: State,
        filter: Option<Executor>,
        drop_foreign: bool,
    ) -> Self {
        let pool = Arc::new(Pool::new(config.pool_size));
        Self {
            config,
            store,
            host,
            pool,
            ports,
            reaper,
            host_has_ipv6: crate::host::has_ipv6(),
            drop_foreign,
            changing: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            filter: Mutex::new(filter),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn filter(&self) -> MutexGuard<'_, Option<Executor>> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn table(&self) -> String {
        firewall::table_name(&self.config.data_root)
    }

    /// Where a sandbox's namespace is kept.
    pub(crate) fn netns_path(&self, sandbox: &id::NetworkId) -> PathBuf {
        self.config.exec_root.join("netns").join(sandbox.short())
    }

    /// Brings the packet filter to the networks as they are now; published ports stay as they are.
    pub(crate) fn sync_filter(&self) -> Result<(), Error> {
        let mut filter = self.filter();
        let Some(executor) = filter.as_mut() else { return Ok(()) };
        let desired = self.desired(&self.state(), Vec::new());
        Ok(executor.apply_networks(firewall::plan(&desired))?)
    }

    pub(crate) fn desired(&self, state: &State, published: Vec<Publish>) -> Desired {
        Desired {
            table: self.table(),
            ipv4: self.config.iptables,
            ipv6: self.config.ip6tables,
            drop_foreign: self.drop_foreign,
            hairpin_by_proxy: self.config.userland_proxy,
            allow_direct: self.config.allow_direct_routing,
            networks: state.networks.values().filter_map(filtered).collect(),
            published,
        }
    }

    /// Adds or removes the elements of published ports.
    pub(crate) fn publish(&self, published: &[Publish], add: bool) -> Result<(), Error> {
        let wanted = |p: &&Publish| if p.container_ip.is_ipv6() { self.config.ip6tables } else { self.config.iptables };
        let elements: Vec<_> = published.iter().filter(wanted).flat_map(firewall::publish_elements).collect();
        if elements.is_empty() {
            return Ok(());
        }
        match self.filter().as_mut() {
            Some(executor) if add => Ok(executor.add(&elements)?),
            Some(executor) => Ok(executor.remove(&elements)?),
            None => Ok(()),
        }
    }

    pub(crate) fn bridge_plan(&self, network: &Network) -> Option<BridgePlan> {
        let name = network.bridge.clone()?;
        let settings = &network.settings;
        let addresses = network.record.pools.iter().filter_map(|pool| {
            let ip = pool.host_ip?;
            let silent = ip.is_ipv4() && settings.inhibit_ipv4;
            ipnet::IpNet::new(ip, pool.subnet.prefix_len()).ok().filter(|_| !silent)
        });
        let default_mtu = (network.record.name == "bridge").then_some(self.config.mtu);
        Some(BridgePlan {
            name,
            mtu: settings.mtu.or(default_mtu),
            addresses: addresses.collect(),
            ipv6: network.record.enable_ipv6,
            route_localnet: self.config.iptables && !network.record.internal,
        })
    }

    /// Index of the default bridge.
    pub(crate) fn usual_bridge(&self) -> Option<u32> {
        let state = self.state();
        state.networks.values().find(|n| n.record.name == "bridge").map(|n| n.bridge_index)
    }

    /// What `host-gateway` stands for.
    pub(crate) fn host_gateways(&self) -> Vec<IpAddr> {
        if self.config.host_gateway_ips.is_empty() {
            self.state().default_gateways()
        } else {
            self.config.host_gateway_ips.clone()
        }
    }

    /// The name service settings of a container: its own, or the daemon's.
    pub(crate) fn dns_of(&self, spec: &crate::DnsSpec) -> crate::DnsSpec {
        let or = |own: &[String], ours: &[String]| if own.is_empty() { ours.to_vec() } else { own.to_vec() };
        crate::DnsSpec {
            servers: if spec.servers.is_empty() { self.config.dns.clone() } else { spec.servers.clone() },
            search: or(&spec.search, &self.config.dns_search),
            options: or(&spec.options, &self.config.dns_options),
        }
    }

    /// The servers that a container's embedded name server may ask: none outside for containers without a way out.
    pub(crate) fn upstream_of(&self, record: &SandboxRecord) -> Vec<IpAddr> {
        let dns = self.dns_of(&record.spec.dns);
        let (_, upstream) = crate::files::resolv_conf(&ResolvConf::of_host(), &dns, crate::files::ResolvKind::Internal);
        let endpoints = &record.state.endpoints;
        let has_way_out = endpoints.iter().any(|e| e.gateway.is_some() || e.gateway6.is_some());
        let near = |ip: &IpAddr| {
            endpoints.iter().any(|e| match ip {
                IpAddr::V4(ip) => {
                    e.ipv4.is_some_and(|(own, p)| ipnet::Ipv4Net::new(own, p).is_ok_and(|net| net.contains(ip)))
                }
                IpAddr::V6(ip) => {
                    e.ipv6.is_some_and(|(own, p)| ipnet::Ipv6Net::new(own, p).is_ok_and(|net| net.contains(ip)))
                }
            })
        };
        upstream.into_iter().filter(|ip| has_way_out || near(ip)).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Its thread waits for work as long as the pool is open.
        self.pool.close();
    }
}

/// The packet filter's part of a sandbox's published ports: those whose address family the container has.
pub(crate) fn publications(state: &State, record: &SandboxRecord) -> Vec<Publish> {
    let Some(id) = &record.published_on else { return Vec::new() };
    let Some(endpoint) = record.state.endpoints.iter().find(|e| e.network_id == *id) else { return Vec::new() };
    let Some(network) = state.networks.get(id) else { return Vec::new() };
    let ports = record.state.ports.iter().filter_map(|port| {
        let (container_ip, mode) = match port.host_ip {
            IpAddr::V4(_) => (IpAddr::V4(endpoint.ipv4?.0), network.settings.mode4),
            IpAddr::V6(_) => (IpAddr::V6(endpoint.ipv6?.0), network.settings.mode6),
        };
        Some(Publish {
            bridge: network.bridge.clone()?,
            protocol: port.protocol.number(),
            host_ip: port.host_ip,
            host_port: port.host_port,
            container_ip,
            container_port: port.container_port,
            translate: mode != firewall::GatewayMode::Routed,
        })
    });
    ports.collect()
}

/// A network as the packet filter sees it.
fn filtered(network: &Network) -> Option<firewall::Network> {
    if network.record.driver != Driver::Bridge {
        return None;
    }
    let (mut ipv4, mut ipv6) = (None, None);
    for pool in &network.record.pools {
        match (pool.subnet, pool.host_ip) {
            (ipnet::IpNet::V4(net), Some(IpAddr::V4(ip))) => ipv4 = Some((net, Some(ip))),
            (ipnet::IpNet::V4(net), _) => ipv4 = Some((net, None)),
            (ipnet::IpNet::V6(net), Some(IpAddr::V6(ip))) => ipv6 = Some((net, Some(ip))),
            (ipnet::IpNet::V6(net), _) => ipv6 = Some((net, None)),
        }
    }
    let settings = &network.settings;
    Some(firewall::Network {
        bridge: network.bridge.clone()?,
        ipv4,
        ipv6,
        masquerade: settings.masquerade,
        host_ipv4: settings.host_ipv4,
        host_ipv6: settings.host_ipv6,
        internal: network.record.internal,
        icc: settings.icc,
        mode4: settings.mode4,
        mode6: settings.mode6,
        trusted_interfaces: settings.trusted.clone(),
    })
}
