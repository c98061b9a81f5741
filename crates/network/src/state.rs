//! What the service knows, in memory: networks with their used addresses, and live sandboxes. Pure: nothing here touches
//! the kernel.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use id::{ContainerId, NetworkId};
use ipnet::IpNet;
use netlink::MacAddr;

use crate::error::InvalidSpec;
use crate::host::random;
use crate::options::BridgeSettings;
use crate::record::{Driver, NetworkRecord, SandboxRecord};
use crate::{EndpointSpec, EndpointState, EndpointView, Error, NetworkRef, NetworkView, PoolView, SubnetStatus};

/// A network and who is on it.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) record: NetworkRecord,
    pub(crate) settings: BridgeSettings,
    /// The bridge, for bridge networks.
    pub(crate) bridge: Option<String>,
    pub(crate) bridge_index: u32,
    pub(crate) used: BTreeSet<IpAddr>,
    pub(crate) members: BTreeMap<ContainerId, EndpointView>,
}

/// A live sandbox.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: SandboxRecord,
    pub(crate) leases: Vec<portmap::Lease>,
    pub(crate) resolver: Option<dns::Server>,
    /// Left by an earlier daemon and not yet confirmed.
    pub(crate) restored: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) networks: BTreeMap<NetworkId, Network>,
    pub(crate) sandboxes: HashMap<ContainerId, Entry>,
    /// Sandboxes that are being made.
    pub(crate) creating: HashSet<ContainerId>,
    /// Settings of interfaces that the daemon has for all networks.
    pub(crate) hairpin: bool,
}

/// What one endpoint is to become.
#[derive(Debug, Clone)]
pub(crate) struct EndpointPlan {
    pub(crate) state: EndpointState,
    pub(crate) link: Option<LinkPlan>,
}

/// The interface of an endpoint on a bridge.
#[derive(Debug, Clone)]
pub(crate) struct LinkPlan {
    pub(crate) bridge: String,
    pub(crate) bridge_index: u32,
    pub(crate) mtu: Option<u32>,
    /// Keep it from its neighbours on the bridge (`icc=false`).
    pub(crate) isolated: bool,
    /// Let its own packets come back to it (no userland proxy).
    pub(crate) hairpin: bool,
    pub(crate) link_local: Vec<IpAddr>,
    /// `net.ipv4.conf.IFNAME.x=y`, comma separated.
    pub(crate) sysctls: String,
}

const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";
const ENDPOINT_IFNAME: &str = "com.docker.network.endpoint.ifname";

pub(crate) fn new_id() -> Result<NetworkId, Error> {
    Ok(NetworkId::from_bytes(random()?))
}

impl Network {
    pub(crate) fn new(record: NetworkRecord) -> Result<Self, InvalidSpec> {
        let settings = BridgeSettings::parse(&record.options)?;
        let bridge = (record.driver == Driver::Bridge && !record.config_only)
            .then(|| settings.bridge.clone().unwrap_or_else(|| format!("br-{}", record.id.short())));
        Ok(Self { record, settings, bridge, bridge_index: 0, used: BTreeSet::new(), members: BTreeMap::new() })
    }

    pub(crate) fn to_ref(&self) -> NetworkRef {
        NetworkRef {
            id: self.record.id.clone(),
            name: self.record.name.clone(),
            driver: self.record.driver.as_str().to_owned(),
        }
    }

    fn range(&self, v6: bool) -> Option<ipam::Range> {
        self.record.pool(v6).map(|pool| ipam::Range {
            subnet: pool.subnet,
            part: pool.ip_range,
            reserved: pool.assigned.into_iter().chain(pool.host_ip).chain(pool.aux.values().copied()).collect(),
        })
    }

    /// Whether the endpoint may be made at all, by Docker's rules.
    pub(crate) fn check(&self, spec: &EndpointSpec) -> Result<(), InvalidSpec> {
        if self.record.config_only {
            return Err(InvalidSpec::ConfigOnly);
        }
        let wishes = [spec.ipv4.map(IpAddr::V4), spec.ipv6.map(IpAddr::V6)];
        let wishes: Vec<IpAddr> = wishes.into_iter().flatten().collect();
        if !self.record.is_user_defined() {
            if !wishes.is_empty() {
                return Err(InvalidSpec::AddressNeedsUserNetwork);
            }
            if !spec.aliases.is_empty() {
                return Err(InvalidSpec::AliasNeedsUserNetwork);
            }
        }
        for wish in wishes {
            match self.record.pool(wish.is_ipv6()).filter(|p| p.chosen) {
                None => return Err(InvalidSpec::AddressNeedsSubnet),
                Some(pool) if !pool.subnet.contains(&wish) => return Err(InvalidSpec::AddressOutside(wish)),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn allocate(&mut self, v6: bool, wanted: Option<IpAddr>) -> Result<Option<(IpAddr, u8)>, Error> {
        let enabled = if v6 { self.record.enable_ipv6 } else { self.record.enable_ipv4 };
        let Some(range) = self.range(v6).filter(|_| enabled) else { return Ok(None) };
        let ip = match wanted {
            Some(ip) => {
                range.check(ip, &self.used)?;
                ip
            }
            None => range.next(&self.used, &format!("{} ({})", self.record.name, self.record.id.short()))?,
        };
        self.used.insert(ip);
        Ok(Some((ip, range.subnet.prefix_len())))
    }

    pub(crate) fn release(&mut self, endpoint: &EndpointState) {
        if let Some((ip, _)) = endpoint.ipv4 {
            self.used.remove(&IpAddr::V4(ip));
        }
        if let Some((ip, _)) = endpoint.ipv6 {
            self.used.remove(&IpAddr::V6(ip));
        }
    }

    /// Reserves addresses for an endpoint and says what it is to be.
    fn plan(
        &mut self,
        container: &ContainerId,
        names: &[String],
        spec: &EndpointSpec,
        if_name: String,
        (mtu, hairpin): (Option<u32>, bool),
    ) -> Result<EndpointPlan, Error> {
        self.check(spec)?;
        let mut state = EndpointState {
            network_id: self.record.id.clone(),
            network_name: self.record.name.clone(),
            endpoint_id: new_id()?,
            ipv4: None,
            gateway: None,
            ipv6: None,
            gateway6: None,
            mac: None,
            dns_names: Vec::new(),
            if_name: String::new(),
            host_if: String::new(),
            gw_priority: spec.gw_priority,
        };
        if self.record.driver != Driver::Bridge {
            return Ok(EndpointPlan { state, link: None });
        }
        if self.record.is_user_defined() {
            state.dns_names = dns_names(container, names, &spec.aliases);
        }
        if let Some((IpAddr::V4(ip), prefix)) = self.allocate(false, spec.ipv4.map(IpAddr::V4))? {
            state.ipv4 = Some((ip, prefix));
        }
        match self.allocate(true, spec.ipv6.map(IpAddr::V6)) {
            Ok(Some((IpAddr::V6(ip), prefix))) => state.ipv6 = Some((ip, prefix)),
            Ok(_) => {}
            Err(e) => {
                self.release(&state);
                return Err(e);
            }
        }
        let gateway = |v6| self.record.pool(v6).and_then(|p| p.assigned).filter(|_| !self.record.internal);
        if let (Some(_), Some(IpAddr::V4(ip))) = (state.ipv4, gateway(false)) {
            state.gateway = Some(ip);
        }
        if let (Some(_), Some(IpAddr::V6(ip))) = (state.ipv6, gateway(true)) {
            state.gateway6 = Some(ip);
        }
        state.mac = match (spec.mac, state.ipv4) {
            (Some(mac), _) => Some(mac),
            (None, Some((ip, _))) => Some(MacAddr(ipam::mac_for(ip))),
            (None, None) => {
                let [a, b, c, d] = random()?;
                Some(MacAddr([0x02, 0x42, a, b, c, d]))
            }
        };
        state.if_name = spec.driver_opts.get(ENDPOINT_IFNAME).cloned().unwrap_or(if_name);
        let link = LinkPlan {
            bridge: self.bridge.clone().unwrap_or_default(),
            bridge_index: self.bridge_index,
            mtu: self.settings.mtu.or(mtu),
            isolated: !self.settings.icc,
            hairpin,
            link_local: spec.link_local.clone(),
            sysctls: spec.driver_opts.get(ENDPOINT_SYSCTLS).cloned().unwrap_or_default(),
        };
        Ok(EndpointPlan { state, link: Some(link) })
    }

    pub(crate) fn view(&self, with_members: bool) -> NetworkView {
        let record = &self.record;
        let pools = record.pools.iter().map(|p| PoolView {
            subnet: p.subnet,
            ip_range: p.ip_range,
            gateway: p.gateway,
            aux_addresses: p.aux.clone(),
        });
        let status = [false, true].into_iter().filter_map(|v6| {
            let range = self.range(v6)?;
            let (ips_in_use, dynamic_ips_available) = range.usage(&self.used);
            Some((range.subnet, SubnetStatus { ips_in_use, dynamic_ips_available }))
        });
        NetworkView {
            id: record.id.clone(),
            name: record.name.clone(),
            created: UNIX_EPOCH + Duration::from_nanos(record.created),
            scope: record.scope.clone(),
            driver: if record.config_only { "null" } else { record.driver.as_str() }.to_owned(),
            enable_ipv4: record.enable_ipv4,
            enable_ipv6: record.enable_ipv6,
            ipam_driver: record.ipam_driver.clone(),
            ipam_options: record.ipam_options.clone(),
            ipam: (record.driver == Driver::Bridge || record.config_only).then(|| pools.collect()),
            internal: record.internal,
            attachable: record.attachable,
            ingress: false,
            config_from: record.config_from.clone(),
            config_only: record.config_only,
            options: record.options.clone(),
            labels: record.labels.clone(),
            containers: if with_members { self.members.clone() } else { BTreeMap::new() },
            status: status.collect(),
        }
    }
}

/// Name, aliases, short id, host name; each once, in this order.
fn dns_names(container: &ContainerId, names: &[String], aliases: &[String]) -> Vec<String> {
    let (name, host) = names.split_first().map_or(("", &[][..]), |(n, h)| (n.as_str(), h));
    let mut out: Vec<String> = Vec::new();
    let all = [name]
        .into_iter()
        .chain(aliases.iter().map(String::as_str))
        .chain([container.short()])
        .chain(host.iter().map(String::as_str));
    for name in all.filter(|n| !n.is_empty()) {
        if !out.iter().any(|o| o == name) {
            out.push(name.to_owned());
        }
    }
    out
}

/// How an endpoint is shown among a network's members.
pub(crate) fn member(name: &str, endpoint: &EndpointState) -> EndpointView {
    EndpointView {
        name: name.to_owned(),
        endpoint_id: endpoint.endpoint_id.clone(),
        mac_address: endpoint.mac.map(|m| m.to_string()).unwrap_or_default(),
        ipv4_address: endpoint.ipv4.map(|(ip, p)| format!("{ip}/{p}")).unwrap_or_default(),
        ipv6_address: endpoint.ipv6.map(|(ip, p)| format!("{ip}/{p}")).unwrap_or_default(),
    }
}

/// The endpoint that gives the default route of a family: highest priority, then one with both families, then the first
/// name.
pub(crate) fn gateway_endpoint(endpoints: &[EndpointState], v6: bool) -> Option<&EndpointState> {
    let has = |e: &&EndpointState| if v6 { e.gateway6.is_some() } else { e.gateway.is_some() };
    endpoints.iter().filter(has).min_by(|a, b| {
        let key = |e: &EndpointState| (-e.gw_priority, !(e.gateway.is_some() && e.gateway6.is_some()));
        key(a).cmp(&key(b)).then_with(|| a.network_name.cmp(&b.network_name))
    })
}

impl State {
    /// By full id, name, or unambiguous start of an id, in this order.
    pub(crate) fn find(&self, key: &str) -> Result<&Network, Error> {
        if let Ok(id) = key.parse::<NetworkId>()
            && let Some(network) = self.networks.get(&id)
        {
            return Ok(network);
        }
        // A container's network mode `default` is the default bridge.
        let name = if key == "default" { "bridge" } else { key };
        if let Some(network) = self.networks.values().find(|n| n.record.name == name) {
            return Ok(network);
        }
        let mut hits = self.networks.values().filter(|n| !key.is_empty() && n.record.id.as_str().starts_with(key));
        match (hits.next(), hits.count()) {
            (Some(network), 0) => Ok(network),
            (Some(_), more) => Err(Error::AmbiguousId(key.to_owned(), more + 1)),
            (None, _) => Err(Error::NotFound(key.to_owned())),
        }
    }

    pub(crate) fn find_mut(&mut self, key: &str) -> Result<&mut Network, Error> {
        let id = self.find(key)?.record.id.clone();
        self.networks.get_mut(&id).ok_or_else(|| Error::NotFound(key.to_owned()))
    }

    /// Reserves addresses for endpoints that are to be made: all or none. `have` are interfaces that exist already.
    pub(crate) fn reserve(
        &mut self,
        container: &ContainerId,
        names: &[String],
        specs: &[EndpointSpec],
        have: &[EndpointState],
        default_mtu: Option<u32>,
    ) -> Result<Vec<EndpointPlan>, Error> {
        let hairpin = self.hairpin;
        let mut plans: Vec<EndpointPlan> = Vec::new();
        for spec in specs {
            let planned = self.find_mut(&spec.network).and_then(|network| {
                let taken = |e: &EndpointState| e.network_id == network.record.id;
                if have.iter().any(taken) || plans.iter().any(|p| taken(&p.state)) {
                    return Err(Error::EndpointExists {
                        name: names.first().cloned().unwrap_or_default(),
                        network: network.record.name.clone(),
                    });
                }
                let prefix = network.settings.prefix.clone();
                let busy: BTreeSet<&str> =
                    have.iter().chain(plans.iter().map(|p| &p.state)).map(|e| e.if_name.as_str()).collect();
                let if_name = (0..).map(|n| format!("{prefix}{n}")).find(|n| !busy.contains(n.as_str()));
                let mtu = default_mtu.filter(|_| network.record.name == "bridge");
                network.plan(container, names, spec, if_name.unwrap_or_default(), (mtu, hairpin))
            });
            match planned {
                Ok(plan) => plans.push(plan),
                Err(error) => {
                    self.release_all(plans.iter().map(|p| &p.state));
                    return Err(error);
                }
            }
        }
        Ok(plans)
    }

    /// Gives addresses back.
    pub(crate) fn release_all<'a>(&mut self, endpoints: impl Iterator<Item = &'a EndpointState>) {
        for endpoint in endpoints {
            if let Some(network) = self.networks.get_mut(&endpoint.network_id) {
                network.release(endpoint);
            }
        }
    }

    /// Shows a sandbox's endpoints on their networks.
    pub(crate) fn join(&mut self, container: &ContainerId, name: &str, endpoints: &[EndpointState]) {
        for endpoint in endpoints {
            if let Some(network) = self.networks.get_mut(&endpoint.network_id) {
                network.used.extend(endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip)));
                network.used.extend(endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip)));
                network.members.insert(container.clone(), member(name, endpoint));
            }
        }
    }

    /// Undoes [`Self::join`].
    pub(crate) fn leave(&mut self, container: &ContainerId, endpoints: &[EndpointState]) {
        for endpoint in endpoints {
            if let Some(network) = self.networks.get_mut(&endpoint.network_id) {
                network.release(endpoint);
                network.members.remove(container);
            }
        }
    }

    /// The subnets of all networks.
    pub(crate) fn subnets(&self) -> Vec<IpNet> {
        let live = self.networks.values().filter(|n| !n.record.config_only);
        live.flat_map(|n| n.record.pools.iter().map(|p| p.subnet)).collect()
    }

    /// The default bridge's addresses: what `host-gateway` means.
    pub(crate) fn default_gateways(&self) -> Vec<IpAddr> {
        let bridge = self.networks.values().find(|n| n.record.name == "bridge");
        bridge.into_iter().flat_map(|n| n.record.pools.iter().filter_map(|p| p.host_ip)).collect()
    }

    /// The IPv4 address of a running container on the default bridge.
    pub(crate) fn address_on_bridge(&self, container: &ContainerId) -> Option<Ipv4Addr> {
        let entry = self.sandboxes.get(container)?;
        let endpoint = entry.record.state.endpoints.iter().find(|e| e.network_name == "bridge")?;
        endpoint.ipv4.map(|(ip, _)| ip)
    }
}
