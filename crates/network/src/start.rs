//! Coming up: the networks that always exist, what an earlier daemon left, the packet filter.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use firewall::Executor;
use ipnet::IpNet;
use portmap::PortSet;

use crate::host::{Host, ephemeral_ports};
use crate::inner::{Inner, publications};
use crate::networks::now;
use crate::reaper::Reaper;
use crate::record::{self, Driver, NETWORKS, NetworkRecord, PoolRecord, SandboxRecord, sandbox_dir};
use crate::state::{Entry, Network, State, new_id};
use crate::{Config, Error, SandboxMode, namespace, options, resolver};

/// Marks that forwarding was turned on by us; as short-lived as the setting itself.
const FORWARDING_MARK: &str = "forwarding-is-ours";

impl Inner {
    /// See [`crate::Service::start`].
    pub(crate) fn start(config: Config, store: Arc<metastore::Db>) -> Result<Arc<Self>, Error> {
        for dir in [config.exec_root.join("netns"), sandbox_dir(&config.exec_root)] {
            std::fs::create_dir_all(&dir)
                .map_err(|source| Error::Namespace { what: "create the run-time directory", source })?;
        }
        let host = Arc::new(Host::open()?);
        let drop_foreign = forwarding(&config, &host)?;
        let filter = if config.iptables || config.ip6tables { Some(Executor::open()?) } else { None };
        let reaper = Reaper::start(Arc::clone(&host))?;
        let mut state = read_networks(&store)?;
        state.hairpin = !config.userland_proxy;
        let ports = PortSet::new(ephemeral_ports());
        let inner = Arc::new(Self::new(config, store, host, reaper, ports, state, filter, drop_foreign));
        inner.ensure_predefined()?;
        let records = inner.usable_records();
        inner.remember(&records);
        inner.install_filter(&records)?;
        inner.ensure_bridges()?;
        inner.restore(records);
        Ok(inner)
    }

    /// `none`, `host` and `bridge` exist, and `bridge` is as the settings want it.
    fn ensure_predefined(&self) -> Result<(), Error> {
        for (name, driver) in [("none", Driver::Null), ("host", Driver::Host)] {
            if !self.state().networks.values().any(|n| n.record.name == name) {
                self.adopt_record(blank(name, driver)?)?;
            }
        }
        let existing = self.state().networks.values().find(|n| n.record.name == "bridge").map(|n| n.record.clone());
        let Some(bridge) = self.config.bridge.clone() else {
            if let Some(old) = existing {
                self.state().networks.remove(&old.id);
                self.store.delete(NETWORKS, old.id.as_str())?;
                if let Some(Ok(network)) = Some(Network::new(old))
                    && let Some(name) = network.bridge
                {
                    self.host.delete_link(&name)?;
                }
            }
            return Ok(());
        };
        let mut record = match &existing {
            Some(record) => record.clone(),
            None => blank("bridge", Driver::Bridge)?,
        };
        let config = &self.config;
        record.enable_ipv6 = config.ipv6;
        record.options =
            options::default_bridge(&bridge, config.icc, config.ip_masq, config.default_bind_ip, config.mtu);
        let own = existing.as_ref().map(|r| r.id.clone());
        let others: Vec<IpNet> = {
            let state = self.state();
            let others = state.networks.values().filter(|n| Some(&n.record.id) != own.as_ref());
            others.flat_map(|n| n.record.pools.iter().map(|p| p.subnet)).collect()
        };
        record.pools = self.default_pools(&record, &bridge, &others)?;
        if existing.as_ref() != Some(&record) {
            self.adopt_record(record)?;
        }
        Ok(())
    }

    /// The default bridge's subnets: as set; else as its interface has them; else as before; else the next free one.
    fn default_pools(&self, record: &NetworkRecord, bridge: &str, others: &[IpNet]) -> Result<Vec<PoolRecord>, Error> {
        let config = &self.config;
        let present = self.host.addresses_of(bridge)?;
        let mut out = Vec::new();
        for v6 in [false, true] {
            if v6 && !config.ipv6 {
                continue;
            }
            let set = if v6 { config.bip6.map(IpNet::V6) } else { config.bip.map(IpNet::V4) };
            let fixed = if v6 { config.fixed_cidr_v6.map(IpNet::V6) } else { config.fixed_cidr.map(IpNet::V4) };
            let before = record.pool(v6).filter(|p| !p.chosen).and_then(|p| Some((p.subnet, p.host_ip?)));
            let found = present.iter().copied().find(|n| n.addr().is_ipv6() == v6);
            let (subnet, address) = if let Some(net) = set.or(found) {
                (net.trunc(), net.addr())
            } else if let Some(before) = before.filter(|(net, _)| !others.iter().any(|o| ipam::overlaps(*o, *net))) {
                before
            } else {
                let subnet = match fixed.filter(|_| v6) {
                    Some(fixed) => fixed.trunc(),
                    None => self.cut(v6, None, others)?,
                };
                let range = ipam::Range { subnet, part: None, reserved: [].into() };
                (subnet, range.next(&[].into(), "bridge")?)
            };
            let own_gateway =
                if v6 { config.default_gateway_v6.map(IpAddr::V6) } else { config.default_gateway.map(IpAddr::V4) };
            let assigned = own_gateway.unwrap_or(address);
            out.push(PoolRecord {
                subnet,
                ip_range: fixed,
                gateway: Some(assigned),
                assigned: Some(assigned),
                host_ip: Some(address),
                aux: BTreeMap::new(),
                chosen: set.is_some(),
            });
        }
        Ok(out)
    }

    fn adopt_record(&self, record: NetworkRecord) -> Result<(), Error> {
        self.store.put(NETWORKS, record.id.as_str(), &record)?;
        let network = Network::new(record)?;
        self.state().networks.insert(network.record.id.clone(), network);
        Ok(())
    }

    /// Sandboxes of an earlier daemon whose namespace and networks are still there; the others are cleared away.
    fn usable_records(&self) -> Vec<SandboxRecord> {
        let mut usable = Vec::new();
        for record in record::load_sandboxes(&self.config.exec_root) {
            let alive = match &record.spec.mode {
                SandboxMode::Private => {
                    record.state.netns_path.as_deref().is_some_and(|path| namespace::open(path).is_ok())
                }
                SandboxMode::Host => true,
                SandboxMode::Container(_) => false,
            };
            let known = |id| self.state().networks.contains_key(id);
            if alive && record.state.endpoints.iter().all(|e| known(&e.network_id)) {
                usable.push(record);
            } else {
                tracing::info!(container = %record.spec.container_id, "sandbox of an earlier daemon is gone");
                record::forget_sandbox(&self.config.exec_root, &record.spec.container_id);
                let links = record.state.endpoints.iter().map(|e| e.host_if.clone()).filter(|n| !n.is_empty());
                self.reaper.reap(record.state.netns_path.clone(), links.collect());
            }
        }
        self.sweep_namespaces(&usable);
        usable
    }

    /// Namespace files that no record speaks of.
    fn sweep_namespaces(&self, usable: &[SandboxRecord]) {
        let Ok(entries) = std::fs::read_dir(self.config.exec_root.join("netns")) else { return };
        for path in entries.flatten().map(|e| e.path()) {
            let known = usable.iter().any(|r| r.state.netns_path.as_deref() == Some(path.as_path()));
            if !known {
                self.reaper.reap(Some(path), Vec::new());
            }
        }
    }

    /// Takes their addresses before anybody else can.
    fn remember(&self, records: &[SandboxRecord]) {
        for record in records {
            let entry = Entry { record: record.clone(), leases: Vec::new(), resolver: None, restored: true };
            self.enter(entry);
        }
    }

    /// All rules at once: running containers' ports stay published without a gap.
    fn install_filter(&self, records: &[SandboxRecord]) -> Result<(), Error> {
        let mut filter = self.filter();
        let Some(executor) = filter.as_mut() else { return Ok(()) };
        let state = self.state();
        let published = records.iter().flat_map(|r| publications(&state, r)).collect();
        let ruleset = firewall::plan(&self.desired(&state, published));
        drop(state);
        Ok(executor.install(&ruleset)?)
    }

    /// Every network has its bridge.
    pub(crate) fn ensure_bridges(&self) -> Result<(), Error> {
        let plans: Vec<_> = {
            let state = self.state();
            state.networks.values().filter_map(|n| Some((n.record.clone(), self.bridge_plan(n)?))).collect()
        };
        for (record, plan) in plans {
            if plan.ipv6 && self.config.ip_forward {
                self.host.enable_forwarding6()?;
            }
            match self.host.ensure_bridge(&plan) {
                Ok(index) => {
                    if let Some(network) = self.state().networks.get_mut(&record.id) {
                        network.bridge_index = index;
                    }
                }
                // One broken network must not keep the others down.
                Err(error) if !record.is_predefined() => {
                    tracing::error!(network = record.name, %error, "network is not usable");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ports, name servers and bridge membership of sandboxes of an earlier daemon.
    fn restore(self: &Arc<Self>, records: Vec<SandboxRecord>) {
        for record in records {
            let container = record.spec.container_id.clone();
            let leases = self.lease_again(&record);
            let resolver = self.restore_resolver(&record);
            self.heal_links(&record);
            let mut state = self.state();
            if let Some(entry) = state.sandboxes.get_mut(&container) {
                entry.leases = leases;
                entry.resolver = resolver;
            }
        }
    }

    fn restore_resolver(self: &Arc<Self>, record: &SandboxRecord) -> Option<dns::Server> {
        if !Entry::wants_resolver(&record.state.endpoints) {
            return None;
        }
        let started = record.state.netns_path.as_deref().map(|path| {
            let handle = namespace::open(path)?;
            let upstream = self.upstream_of(record);
            resolver::start(self, &record.spec.container_id, handle.as_fd(), upstream)
        });
        match started {
            Some(Ok(server)) => Some(server),
            Some(Err(error)) => {
                tracing::warn!(container = %record.spec.container_id, %error, "name server not started again");
                None
            }
            None => None,
        }
    }
}

fn blank(name: &str, driver: Driver) -> Result<NetworkRecord, Error> {
    Ok(NetworkRecord {
        id: new_id()?,
        name: name.to_owned(),
        created: now(),
        driver,
        scope: "local".to_owned(),
        enable_ipv4: true,
        enable_ipv6: false,
        ipam_driver: "default".to_owned(),
        ipam_options: None,
        pools: Vec::new(),
        internal: false,
        attachable: false,
        config_only: false,
        config_from: String::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    })
}

fn read_networks(store: &metastore::Db) -> Result<State, Error> {
    let mut state = State::default();
    let scan = store.scan(NETWORKS)?;
    for damaged in &scan.damaged {
        tracing::error!(network = damaged.key, error = %damaged.error, "unreadable network record left alone");
    }
    for (key, record) in scan.records {
        match Network::new(record) {
            Ok(network) => {
                state.networks.insert(network.record.id.clone(), network);
            }
            Err(error) => tracing::error!(network = key, %error, "network record with bad options left alone"),
        }
    }
    Ok(state)
}

/// Turns forwarding on. Whether what does not concern containers must be dropped, because it was us who did.
fn forwarding(config: &Config, host: &Host) -> Result<bool, Error> {
    if !config.ip_forward {
        return Ok(false);
    }
    let mark = sandbox_dir(&config.exec_root).join(FORWARDING_MARK);
    if host.enable_forwarding4()? {
        mark_file(&mark);
    }
    Ok(mark.exists() && !config.ip_forward_no_drop)
}

fn mark_file(path: &Path) {
    if let Err(error) = std::fs::write(path, b"") {
        tracing::warn!(path = %path.display(), %error, "not noted that forwarding was turned on");
    }
}
