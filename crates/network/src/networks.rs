//! Making and removing networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use crate::error::InvalidSpec;
use crate::inner::Inner;
use crate::record::{Driver, NETWORKS, NetworkRecord, PoolRecord, is_predefined};
use crate::state::{Network, new_id};
use crate::{Error, IpamPoolSpec, NetworkCreated, NetworkRef, NetworkSpec, NetworkView};

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

impl Inner {
    /// See [`crate::Service::create`]. The caller holds `changing`.
    pub(crate) fn create_network(&self, spec: NetworkSpec) -> Result<NetworkCreated, Error> {
        let record = self.new_record(spec)?;
        let id = record.id.clone();
        let network = Network::new(record)?;
        if let Some(bridge) = &network.bridge {
            let state = self.state();
            let taken = state.networks.values().find(|n| n.bridge.as_ref() == Some(bridge));
            if let Some(other) = taken {
                return Err(InvalidSpec::BridgeTaken(bridge.clone(), other.record.name.clone()).into());
            }
        }
        // The record first: after a crash the bridge is made again from it, but nobody would know of a bridge without one.
        self.store.put(NETWORKS, id.as_str(), &network.record)?;
        if let Err(error) = self.realize_network(network) {
            self.state().networks.remove(&id);
            self.store.delete(NETWORKS, id.as_str())?;
            return Err(error);
        }
        Ok(NetworkCreated { id, warning: String::new() })
    }

    /// Rules, then the bridge: nothing is reachable before its rules are there.
    fn realize_network(&self, network: Network) -> Result<(), Error> {
        let id = network.record.id.clone();
        let plan = self.bridge_plan(&network);
        if network.record.enable_ipv6 && plan.is_some() && self.config.ip_forward {
            self.host.enable_forwarding6()?;
        }
        self.state().networks.insert(id.clone(), network);
        let Some(plan) = plan else { return Ok(()) };
        let made = self.sync_filter().and_then(|()| self.host.ensure_bridge(&plan));
        match made {
            Ok(index) => {
                if let Some(network) = self.state().networks.get_mut(&id) {
                    network.bridge_index = index;
                }
                Ok(())
            }
            Err(error) => {
                self.state().networks.remove(&id);
                self.sync_filter()?;
                Err(error)
            }
        }
    }

    /// Checks a declaration and fills in what it leaves open.
    fn new_record(&self, mut spec: NetworkSpec) -> Result<NetworkRecord, Error> {
        if spec.name.trim().is_empty() {
            return Err(Error::EmptyName);
        }
        if is_predefined(&spec.name) {
            return Err(Error::PredefinedCreate(spec.name));
        }
        if self.state().networks.values().any(|n| n.record.name == spec.name) {
            return Err(Error::NameTaken(spec.name));
        }
        if spec.driver.is_empty() || spec.driver == "default" {
            "bridge".clone_into(&mut spec.driver);
        }
        match spec.driver.as_str() {
            "bridge" => {}
            "host" | "null" => return Err(Error::OneInstance(spec.driver)),
            other => return Err(Error::NoDriver(other.to_owned())),
        }
        for (key, value) in self.config.default_network_opts.get("bridge").into_iter().flatten() {
            spec.options.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let config_from = spec.config_from.take().unwrap_or_default();
        if !config_from.is_empty() {
            self.inherit(&mut spec, &config_from)?;
        }
        let enable_ipv4 = spec.enable_ipv4.unwrap_or(true);
        let enable_ipv6 = spec.enable_ipv6.unwrap_or(false);
        if !enable_ipv4 && !enable_ipv6 {
            return Err(InvalidSpec::NoFamily.into());
        }
        let pools = self.pools(&spec, enable_ipv4, enable_ipv6)?;
        Ok(NetworkRecord {
            id: new_id()?,
            name: spec.name,
            created: now(),
            driver: Driver::Bridge,
            scope: if spec.scope.is_empty() { "local".to_owned() } else { spec.scope },
            enable_ipv4,
            enable_ipv6,
            ipam_driver: if spec.ipam_driver.is_empty() { "default".to_owned() } else { spec.ipam_driver },
            ipam_options: spec.ipam_options,
            pools,
            internal: spec.internal,
            attachable: spec.attachable,
            config_only: spec.config_only,
            config_from,
            options: spec.options,
            labels: spec.labels,
        })
    }

    /// Takes the settings of a template network.
    fn inherit(&self, spec: &mut NetworkSpec, template: &str) -> Result<(), Error> {
        let configured = !spec.ipam.is_empty()
            || !spec.options.is_empty()
            || !spec.labels.is_empty()
            || spec.enable_ipv6.is_some_and(|on| on)
            || spec.internal;
        if configured {
            return Err(InvalidSpec::ConfigFromWithSettings.into());
        }
        let state = self.state();
        let record = &state.find(template)?.record;
        if !record.config_only {
            return Err(InvalidSpec::NotAConfig(template.to_owned()).into());
        }
        spec.ipam = record
            .pools
            .iter()
            .map(|p| IpamPoolSpec {
                subnet: Some(p.subnet),
                ip_range: p.ip_range,
                gateway: p.gateway,
                aux_addresses: p.aux.clone(),
            })
            .collect();
        spec.options.clone_from(&record.options);
        spec.labels.clone_from(&record.labels);
        spec.enable_ipv4 = Some(record.enable_ipv4);
        spec.enable_ipv6 = Some(record.enable_ipv6);
        spec.internal = record.internal;
        Ok(())
    }

    /// The subnets of a new network: the wished ones, and one of the pools for each family that has no wish.
    fn pools(&self, spec: &NetworkSpec, ipv4: bool, ipv6: bool) -> Result<Vec<PoolRecord>, Error> {
        let mut taken = self.state().subnets();
        let mut out: Vec<PoolRecord> = Vec::new();
        let isolated = {
            let settings = crate::options::BridgeSettings::parse(&spec.options)?;
            [settings.mode4, settings.mode6].map(|m| m == firewall::GatewayMode::Isolated)
        };
        for wish in &spec.ipam {
            let Some(subnet) = wish.subnet else { continue };
            check_wish(wish, subnet)?;
            let v6 = subnet.addr().is_ipv6();
            if !(if v6 { ipv6 } else { ipv4 }) {
                return Err(InvalidSpec::FamilyOff(if v6 { "IPv6" } else { "IPv4" }).into());
            }
            if out.iter().any(|p| p.subnet.addr().is_ipv6() == v6) {
                return Err(InvalidSpec::ManySubnets.into());
            }
            let only_size = subnet.addr().is_unspecified() && subnet.prefix_len() != 0;
            let subnet = if only_size { self.cut(v6, Some(subnet.prefix_len()), &taken)? } else { subnet };
            if !spec.config_only && taken.iter().any(|t| ipam::overlaps(*t, subnet)) {
                return Err(ipam::Error::Overlap.into());
            }
            taken.push(subnet);
            out.push(finish_pool(wish, subnet, !only_size, isolated[usize::from(v6)]));
        }
        for v6 in [false, true] {
            let wanted = (if v6 { ipv6 } else { ipv4 }) && !out.iter().any(|p| p.subnet.addr().is_ipv6() == v6);
            if wanted && !spec.config_only {
                let subnet = self.cut(v6, None, &taken)?;
                taken.push(subnet);
                out.push(finish_pool(&IpamPoolSpec::default(), subnet, false, isolated[usize::from(v6)]));
            }
        }
        out.sort_by_key(|p| p.subnet.addr().is_ipv6());
        Ok(out)
    }

    /// The next free subnet; networks that the host has a way to are left alone.
    pub(crate) fn cut(&self, v6: bool, size: Option<u8>, taken: &[IpNet]) -> Result<IpNet, Error> {
        let mut pools: Vec<ipam::Pool> =
            self.config.default_address_pools.iter().map(|p| ipam::Pool { base: p.base, size: p.size }).collect();
        if pools.iter().all(|p| p.base.addr().is_ipv6()) {
            pools.extend(ipam::default_pools());
        }
        if let Some(size) = size {
            pools.iter_mut().filter(|p| p.base.addr().is_ipv6() == v6).for_each(|p| p.size = size);
        }
        let mut busy = taken.to_vec();
        busy.extend(self.host.occupied()?);
        if v6 {
            let busy: Vec<_> = busy.iter().filter_map(|n| if let IpNet::V6(n) = n { Some(*n) } else { None }).collect();
            return Ok(IpNet::V6(ipam::next_subnet6(&pools, self.host_number(), &busy)?));
        }
        let busy: Vec<_> = busy.iter().filter_map(|n| if let IpNet::V4(n) = n { Some(*n) } else { None }).collect();
        Ok(IpNet::V4(ipam::next_subnet4(&pools, &busy)?))
    }

    /// 40 bits that are this daemon's: the same on every start (RFC 4193's global id).
    fn host_number(&self) -> u64 {
        let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
        let root = self.config.data_root.as_os_str().as_encoded_bytes();
        let hash = machine
            .iter()
            .chain(root)
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        hash >> 24
    }

    /// See [`crate::Service::remove`]. The caller holds `changing`.
    pub(crate) fn remove_network(&self, key: &str) -> Result<NetworkRef, Error> {
        let network = {
            let mut state = self.state();
            let found = state.find(key)?;
            let name = found.record.name.clone();
            if found.record.is_predefined() {
                return Err(Error::Predefined(name));
            }
            if state.networks.values().any(|n| n.record.config_from == name) {
                return Err(Error::ConfigInUse(name));
            }
            let id = found.record.id.clone();
            // Addresses without members: a container is just being put on it.
            if !found.members.is_empty() || !found.used.is_empty() {
                let endpoints: Vec<String> = found
                    .members
                    .values()
                    .map(|m| format!("name:{:?} id:{:?}", m.name, m.endpoint_id.short()))
                    .collect();
                return Err(Error::ActiveEndpoints { network: name, endpoints: endpoints.join(", ") });
            }
            state.networks.remove(&id).ok_or_else(|| Error::NotFound(key.to_owned()))?
        };
        let gone = network.to_ref();
        // The bridge first: after a crash between the two the network is still known and is made whole again.
        let torn = match &network.bridge {
            Some(bridge) => self.host.delete_link(bridge).and_then(|()| self.sync_filter()),
            None => Ok(()),
        };
        let forgotten = torn.and_then(|()| Ok(self.store.delete(NETWORKS, gone.id.as_str())?));
        if let Err(error) = forgotten {
            self.state().networks.insert(gone.id.clone(), network);
            return Err(error);
        }
        Ok(gone)
    }

    /// See [`crate::Service::prune`]. The caller holds `changing`.
    pub(crate) fn prune_networks(&self, wanted: impl Fn(&NetworkView) -> bool) -> Vec<NetworkRef> {
        let candidates: Vec<NetworkView> = {
            let state = self.state();
            let idle = |n: &&Network| !n.record.is_predefined() && n.members.is_empty() && n.used.is_empty();
            let templates: BTreeSet<String> = state.networks.values().map(|n| n.record.config_from.clone()).collect();
            let free = |n: &&Network| idle(n) && !templates.contains(&n.record.name);
            state.networks.values().filter(free).map(|n| n.view(false)).collect()
        };
        let mut gone = Vec::new();
        for view in candidates.iter().filter(|v| wanted(v)) {
            match self.remove_network(view.id.as_str()) {
                Ok(network) => gone.push(network),
                Err(error) => tracing::warn!(network = view.name, %error, "network not pruned"),
            }
        }
        gone
    }
}

/// What Docker checks of a wished subnet.
fn check_wish(wish: &IpamPoolSpec, subnet: IpNet) -> Result<(), InvalidSpec> {
    if subnet.addr() != subnet.network() {
        return Err(InvalidSpec::SubnetHostBits(subnet, subnet.trunc()));
    }
    let outside = |what, value: String| InvalidSpec::OutsideSubnet { what, value, subnet };
    if subnet.addr().is_unspecified() {
        return Ok(());
    }
    if let Some(gateway) = wish.gateway.filter(|g| !subnet.contains(g)) {
        return Err(outside("gateway address", gateway.to_string()));
    }
    if let Some(range) = wish.ip_range.filter(|r| !subnet.contains(r)) {
        return Err(outside("ip-range", range.to_string()));
    }
    match wish.aux_addresses.values().find(|ip| !subnet.contains(*ip)) {
        Some(ip) => Err(outside("auxiliary address", ip.to_string())),
        None => Ok(()),
    }
}

/// A pool with its gateway: as wished, or the first address that is free for it.
fn finish_pool(wish: &IpamPoolSpec, subnet: IpNet, chosen: bool, isolated: bool) -> PoolRecord {
    let aux: BTreeMap<String, IpAddr> = wish.aux_addresses.clone();
    let assigned = if isolated {
        wish.gateway
    } else {
        wish.gateway.or_else(|| {
            let range = ipam::Range { subnet, part: wish.ip_range, reserved: aux.values().copied().collect() };
            range.next(&BTreeSet::new(), "").ok()
        })
    };
    // Docker shows the gateway of a subnet that it chose itself, and otherwise only what was asked for.
    let gateway = if chosen { wish.gateway } else { assigned };
    let host_ip = assigned.filter(|_| !isolated);
    PoolRecord { subnet, ip_range: wish.ip_range, gateway, assigned, host_ip, aux, chosen }
}
