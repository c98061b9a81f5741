//! Making, changing and ending sandboxes.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;

use id::{ContainerId, NetworkId};
use portmap::{Lease, Request};

use crate::attach::{attach, gateways_over, reroute};
use crate::error::InvalidSpec;
use crate::files::{self, HostsEntry, ResolvConf, ResolvKind};
use crate::inner::{Inner, publications};
use crate::names::own_names;
use crate::namespace::{self, Fresh, Pair};
use crate::record::{self, Driver, SandboxRecord};
use crate::state::{EndpointPlan, Entry, gateway_endpoint, new_id};
use crate::{
    BoundPort, EndpointSpec, EndpointState, Error, NetworkRef, PortSpec, Sandbox, SandboxMode, SandboxSpec, resolver,
};

/// A sandbox that is being made: what must be undone if it fails.
struct Partial {
    record: SandboxRecord,
    leases: Vec<Lease>,
    published: bool,
}

impl Inner {
    /// Makes a sandbox; see [`crate::Service::sandbox_create`].
    pub(crate) fn create_sandbox(self: &Arc<Self>, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let id = spec.container_id.clone();
        {
            let mut state = self.state();
            if state.sandboxes.contains_key(&id) || !state.creating.insert(id.clone()) {
                return Err(Error::SandboxExists(id.to_string()));
            }
        }
        let made = self.make(spec);
        self.state().creating.remove(&id);
        made
    }

    fn make(self: &Arc<Self>, spec: SandboxSpec) -> Result<Sandbox, Error> {
        match spec.mode.clone() {
            SandboxMode::Container(other) => self.share(&other),
            SandboxMode::Host => self.make_shared_with_host(spec),
            SandboxMode::Private => self.make_private(spec),
        }
    }

    /// A namespace that belongs to another container: nothing of it is ours.
    fn share(&self, other: &ContainerId) -> Result<Sandbox, Error> {
        let theirs = self.record_of(other).ok_or_else(|| Error::NoSandbox(other.to_string()))?;
        Ok(Sandbox { endpoints: Vec::new(), ports: Vec::new(), ..theirs.state })
    }

    fn make_shared_with_host(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let wished = EndpointSpec { network: "host".to_owned(), ..EndpointSpec::default() };
        let plans = self.state().reserve(&spec.container_id, &own_names(&spec), &[wished], &[], None)?;
        let dns = self.dns_of(&spec.dns);
        let sandbox = Sandbox {
            id: new_id()?,
            netns_path: None,
            endpoints: plans.into_iter().map(|p| p.state).collect(),
            ports: Vec::new(),
            resolv_conf: files::resolv_conf(&ResolvConf::of_host(), &dns, ResolvKind::Host).0,
            hosts: {
                let extra = files::extra_hosts(&spec.extra_hosts, &self.host_gateways())?;
                let lines: String = extra.iter().map(|(ip, name)| format!("{ip}\t{name}\n")).collect();
                files::hosts_of_host() + &lines
            },
        };
        let record = SandboxRecord { spec, state: sandbox.clone(), published_on: None };
        record::save_sandbox(&self.config.exec_root, &record)?;
        self.enter(Entry { record, leases: Vec::new(), resolver: None, restored: false });
        Ok(sandbox)
    }

    fn make_private(self: &Arc<Self>, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let mut wishes = spec.endpoints.clone();
        wishes.sort_by(|a, b| a.network.cmp(&b.network));
        let names = own_names(&spec);
        let mtu = Some(self.config.mtu).filter(|mtu| *mtu != 1500);
        let plans = self.state().reserve(&spec.container_id, &names, &wishes, &[], mtu)?;
        let sandbox = Sandbox {
            id: new_id()?,
            netns_path: None,
            endpoints: plans.iter().map(|p| p.state.clone()).collect(),
            ports: Vec::new(),
            resolv_conf: String::new(),
            hosts: String::new(),
        };
        let mut partial = Partial {
            record: SandboxRecord { spec, state: sandbox, published_on: None },
            leases: Vec::new(),
            published: false,
        };
        match self.realize(&mut partial, &plans) {
            Ok(resolver) => {
                let sandbox = partial.record.state.clone();
                self.enter(Entry { record: partial.record, leases: partial.leases, resolver, restored: false });
                self.pool.refill(&self.host);
                Ok(sandbox)
            }
            Err(error) => {
                self.undo(partial);
                Err(error)
            }
        }
    }

    /// Ports, namespace, interfaces, rules, files: in this order, so that nothing is reachable before its rules are there.
    fn realize(self: &Arc<Self>, partial: &mut Partial, plans: &[EndpointPlan]) -> Result<Option<dns::Server>, Error> {
        partial.record.state.hosts = self.hosts_for(&partial.record)?;
        partial.record.state.resolv_conf = self.resolv_conf_for(&partial.record);
        self.lease_ports(partial)?;
        let linked = plans.iter().any(|p| p.link.is_some());
        let mut fresh = if linked { self.pool.take(&self.host)? } else { Fresh::bare()? };
        let path = self.netns_path(&partial.record.state.id);
        namespace::keep(fresh.handle.as_fd(), &path)?;
        partial.record.state.netns_path = Some(path);
        let published = publications(&self.state(), &partial.record);
        partial.published = true;
        self.publish(&published, true)?;
        for (at, plan) in plans.iter().enumerate() {
            let Some(link) = &plan.link else { continue };
            let pair = match fresh.pair.take() {
                Some(pair) => pair,
                None => self.make_pair(&mut fresh, at)?,
            };
            pair.host_if.clone_into(&mut partial.record.state.endpoints[at].host_if);
            let gateways = gateways_over(&plan.state, &partial.record.state.endpoints, pair.index);
            attach(&self.host, fresh.handle.as_fd(), &mut fresh.socket, plan, link, &pair, &gateways)?;
        }
        let resolver = if Entry::wants_resolver(&partial.record.state.endpoints) {
            let upstream = self.upstream_of(&partial.record);
            Some(resolver::start(self, &partial.record.spec.container_id, fresh.handle.as_fd(), upstream)?)
        } else {
            None
        };
        record::save_sandbox(&self.config.exec_root, &partial.record)?;
        Ok(resolver)
    }

    /// A pair for a further endpoint; its end inside gets its real name when it is attached.
    fn make_pair(&self, fresh: &mut Fresh, at: usize) -> Result<Pair, Error> {
        namespace::add_pair(&self.host, fresh.handle.as_fd(), &mut fresh.socket, &format!("veth.{at}"))
    }

    fn undo(&self, partial: Partial) {
        let Partial { record, leases, published } = partial;
        if published {
            self.unpublish(&record);
        }
        drop(leases);
        self.take_down(&record);
        self.state().release_all(record.state.endpoints.iter());
    }

    fn unpublish(&self, record: &SandboxRecord) {
        let published = publications(&self.state(), record);
        if let Err(error) = self.publish(&published, false) {
            tracing::warn!(container = %record.spec.container_id, %error, "published ports not closed");
        }
    }

    /// Interfaces silent at once, everything else in the background.
    fn take_down(&self, record: &SandboxRecord) {
        let links: Vec<String> =
            record.state.endpoints.iter().map(|e| e.host_if.clone()).filter(|n| !n.is_empty()).collect();
        if !links.is_empty() {
            self.host.silence(&links);
        }
        record::forget_sandbox(&self.config.exec_root, &record.spec.container_id);
        self.reaper.reap(record.state.netns_path.clone(), links);
    }

    /// Makes a finished sandbox known.
    pub(crate) fn enter(&self, entry: Entry) {
        let mut state = self.state();
        let id = entry.record.spec.container_id.clone();
        state.join(&id, &entry.record.spec.name, &entry.record.state.endpoints);
        state.sandboxes.insert(id, entry);
    }

    /// Ends a sandbox; see [`crate::Service::sandbox_release`].
    pub(crate) fn release(&self, container: &ContainerId) {
        let Some(entry) = self.state().sandboxes.remove(container) else { return };
        let Entry { record, leases, resolver, .. } = entry;
        drop(resolver);
        if !record.state.ports.is_empty() {
            self.unpublish(&record);
        }
        drop(leases);
        self.take_down(&record);
        self.state().leave(container, &record.state.endpoints);
    }

    // ---- ports

    /// Takes the host's ports for a sandbox: those of the endpoint that gives the default route.
    fn lease_ports(&self, partial: &mut Partial) -> Result<(), Error> {
        let record = &mut partial.record;
        if record.spec.ports.is_empty() {
            return Ok(());
        }
        let endpoints = &record.state.endpoints;
        let Some(endpoint) = gateway_endpoint(endpoints, false).or_else(|| gateway_endpoint(endpoints, true)) else {
            return Ok(());
        };
        let endpoint = endpoint.clone();
        record.published_on = Some(endpoint.network_id.clone());
        let binding = {
            let state = self.state();
            let network = state.networks.get(&endpoint.network_id);
            network.map(|n| (n.settings.binding, n.settings.mode4, n.settings.mode6))
        };
        let Some((binding, mode4, mode6)) = binding else { return Ok(()) };
        let mut ports = record.spec.ports.clone();
        ports.sort_by_key(|p| (p.protocol, p.container_port, p.host_ip));
        for port in &ports {
            let routed = |v6| (if v6 { mode6 } else { mode4 }) == firewall::GatewayMode::Routed;
            let targets = self.targets(port, &endpoint, binding);
            for (ip, target) in targets.iter().filter(|(ip, _)| routed(ip.is_ipv6())) {
                // Nothing of the host is bound: the container's own port is what is reached.
                let (host_ip, host_port) = (*ip, 0);
                debug_assert_eq!(target.port(), port.container_port);
                let (protocol, container_port) = (port.protocol, port.container_port);
                record.state.ports.push(BoundPort { protocol, container_port, host_ip, host_port });
            }
            let bound: Vec<_> = targets.into_iter().filter(|(ip, _)| !routed(ip.is_ipv6())).collect();
            if bound.is_empty() {
                continue;
            }
            let proxy = self.config.userland_proxy;
            let request = Request { protocol: port.protocol, targets: bound, ports: port.host_ports, proxy };
            let lease = self.ports.lease(&request).map_err(|source| Error::Publish {
                container: record.spec.name.clone(),
                endpoint: endpoint.endpoint_id.to_string(),
                source,
            })?;
            record.state.ports.extend(lease.ips.iter().map(|ip| BoundPort {
                protocol: lease.protocol,
                container_port: port.container_port,
                host_ip: *ip,
                host_port: lease.port,
            }));
            partial.leases.push(lease);
        }
        Ok(())
    }

    /// Where one published port is bound, and where each binding leads.
    fn targets(&self, port: &PortSpec, endpoint: &EndpointState, binding: Option<IpAddr>) -> Vec<(IpAddr, SocketAddr)> {
        let v4 = endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip));
        let v6 = endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip));
        let any4 = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let any6 = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        let wanted = port.host_ip.or(binding).unwrap_or(self.config.default_bind_ip);
        let everywhere = port.host_ip.is_none() && wanted == any4;
        let ips = if everywhere { vec![any4, any6] } else { vec![wanted] };
        let proxied = self.config.userland_proxy;
        ips.into_iter()
            .filter_map(|ip| {
                let (same, other) = if ip.is_ipv4() { (v4, v6) } else { (v6, v4) };
                if ip.is_ipv6() && everywhere && !self.host_has_ipv6 {
                    return None;
                }
                // The other family's container address is reached by the proxy; and IPv4 ports of containers without
                // IPv4 are nobody's wish unless they were asked for.
                let target = match (same, other.filter(|_| proxied)) {
                    (Some(ip), _) => ip,
                    (None, Some(other)) if ip.is_ipv6() || !everywhere => other,
                    (None, _) => return None,
                };
                Some((ip, SocketAddr::new(target, port.container_port)))
            })
            .collect()
    }

    /// Takes exactly the ports that a sandbox had, for an heir or after its address changed.
    pub(crate) fn lease_again(&self, record: &SandboxRecord) -> Vec<Lease> {
        let Some(endpoint) =
            record.state.endpoints.iter().find(|e| Some(&e.network_id) == record.published_on.as_ref())
        else {
            return Vec::new();
        };
        let v4 = endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip));
        let v6 = endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip));
        let mut leases = Vec::new();
        for port in record.state.ports.iter().filter(|p| p.host_port != 0) {
            let (same, other) = if port.host_ip.is_ipv4() { (v4, v6) } else { (v6, v4) };
            let Some(target) = same.or(other) else { continue };
            let request = Request {
                protocol: port.protocol,
                targets: vec![(port.host_ip, SocketAddr::new(target, port.container_port))],
                ports: (port.host_port, port.host_port),
                proxy: self.config.userland_proxy,
            };
            match self.ports.lease(&request) {
                Ok(lease) => leases.push(lease),
                // The packet filter still publishes it: better than refusing a running container.
                Err(error) => {
                    tracing::warn!(container = %record.spec.container_id, %error, "published port not held");
                }
            }
        }
        leases
    }

    // ---- files

    /// `/etc/hosts` for the endpoints as they are.
    pub(crate) fn hosts_for(&self, record: &SandboxRecord) -> Result<String, Error> {
        let spec = &record.spec;
        let mut entries: Vec<HostsEntry> = files::extra_hosts(&spec.extra_hosts, &self.host_gateways())?;
        for (target, names) in &spec.links {
            if let Some(ip) = self.state().address_on_bridge(target) {
                entries.push((IpAddr::V4(ip), names.join(" ")));
            }
        }
        let own = files::own_names(&spec.hostname, &spec.domainname);
        for endpoint in &record.state.endpoints {
            entries.extend(endpoint.ipv4.map(|(ip, _)| (IpAddr::V4(ip), own.clone())));
            entries.extend(endpoint.ipv6.map(|(ip, _)| (IpAddr::V6(ip), own.clone())));
        }
        Ok(files::hosts(&entries))
    }

    /// `/etc/resolv.conf` for the endpoints as they are.
    pub(crate) fn resolv_conf_for(&self, record: &SandboxRecord) -> String {
        let endpoints = &record.state.endpoints;
        let kind = if Entry::wants_resolver(endpoints) {
            ResolvKind::Internal
        } else {
            ResolvKind::Legacy { ipv6: endpoints.iter().any(|e| e.ipv6.is_some()) }
        };
        files::resolv_conf(&ResolvConf::of_host(), &self.dns_of(&record.spec.dns), kind).0
    }

    // ---- changes of a running sandbox

    /// Joins a running container to a network.
    pub(crate) fn connect(
        self: &Arc<Self>,
        container: &ContainerId,
        wish: EndpointSpec,
    ) -> Result<EndpointState, Error> {
        let (mut record, plan) = {
            let mut state = self.state();
            let entry = state.sandboxes.get(container).ok_or_else(|| Error::NoSandbox(container.to_string()))?;
            let record = entry.record.clone();
            let target = state.find(&wish.network)?.record.driver;
            if record.spec.mode != SandboxMode::Private || target == Driver::Host {
                return Err(InvalidSpec::SharedMode.into());
            }
            let private = |e: &EndpointState| e.network_name == "none";
            if record.state.endpoints.iter().any(private) || target == Driver::Null {
                return Err(InvalidSpec::PrivateMode.into());
            }
            let names = own_names(&record.spec);
            let have = &record.state.endpoints;
            let mtu = Some(self.config.mtu).filter(|mtu| *mtu != 1500);
            let plans = state.reserve(container, &names, std::slice::from_ref(&wish), have, mtu)?;
            let Some(plan) = plans.into_iter().next() else { return Err(Error::NotFound(wish.network)) };
            (record, plan)
        };
        let path = record.state.netns_path.clone();
        let made = path.ok_or_else(|| Error::NoSandbox(container.to_string())).and_then(|path| {
            let handle = namespace::open(&path)?;
            let mut socket = namespace::socket_in(handle.as_fd())?;
            let mut state = plan.state.clone();
            if let Some(link) = &plan.link {
                let pair = namespace::add_pair(&self.host, handle.as_fd(), &mut socket, &state.if_name)?;
                pair.host_if.clone_into(&mut state.host_if);
                attach(&self.host, handle.as_fd(), &mut socket, &plan, link, &pair, &[])?;
            }
            record.spec.endpoints.push(wish);
            record.state.endpoints.push(state.clone());
            reroute(&mut socket, &record.state.endpoints)?;
            Ok((state, handle))
        });
        let (state, handle) = match made {
            Ok(made) => made,
            Err(error) => {
                self.state().release_all(std::iter::once(&plan.state));
                return Err(error);
            }
        };
        self.changed(record, handle.as_fd())?;
        Ok(state)
    }

    /// Takes a running container off a network.
    pub(crate) fn disconnect(self: &Arc<Self>, container: &ContainerId, key: &str) -> Result<NetworkRef, Error> {
        let (mut record, network) = {
            let state = self.state();
            let network = state.find(key)?.to_ref();
            let not_connected = || Error::NotConnected { container: container.to_string(), network: key.to_owned() };
            let entry = state.sandboxes.get(container).ok_or_else(not_connected)?;
            if !entry.record.state.endpoints.iter().any(|e| e.network_id == network.id) {
                return Err(not_connected());
            }
            (entry.record.clone(), network)
        };
        let (gone, stay): (Vec<_>, Vec<_>) =
            record.state.endpoints.into_iter().partition(|e| e.network_id == network.id);
        record.state.endpoints = stay;
        record.spec.endpoints.retain(|s| s.network != network.name && s.network != network.id.as_str());
        for endpoint in gone.iter().filter(|e| !e.host_if.is_empty()) {
            self.host.delete_link(&endpoint.host_if)?;
        }
        self.state().leave(container, &gone);
        let path = record.state.netns_path.clone().ok_or_else(|| Error::NoSandbox(container.to_string()))?;
        let handle = namespace::open(&path)?;
        reroute(&mut namespace::socket_in(handle.as_fd())?, &record.state.endpoints)?;
        self.changed(record, handle.as_fd())?;
        Ok(network)
    }

    /// Brings files, name server and published ports up to changed endpoints.
    fn changed(
        self: &Arc<Self>,
        mut record: SandboxRecord,
        namespace: std::os::fd::BorrowedFd<'_>,
    ) -> Result<(), Error> {
        record.state.hosts = self.hosts_for(&record)?;
        record.state.resolv_conf = self.resolv_conf_for(&record);
        let container = record.spec.container_id.clone();
        let endpoints = &record.state.endpoints;
        let gateway = gateway_endpoint(endpoints, false).or_else(|| gateway_endpoint(endpoints, true));
        let publish_on: Option<NetworkId> =
            gateway.map(|e| e.network_id.clone()).filter(|_| !record.spec.ports.is_empty());
        let moved = publish_on != record.published_on;
        let mut fresh_leases = None;
        if moved {
            self.unpublish(&self.record_of(&container).unwrap_or_else(|| record.clone()));
            if let Some(entry) = self.state().sandboxes.get_mut(&container) {
                entry.leases.clear();
            }
            record.state.ports.clear();
            record.published_on = None;
            let mut partial = Partial { record, leases: Vec::new(), published: false };
            if publish_on.is_some() {
                self.lease_ports(&mut partial)?;
                let published = publications(&self.state(), &partial.record);
                self.publish(&published, true)?;
            }
            record = partial.record;
            fresh_leases = Some(partial.leases);
        }
        let wants = Entry::wants_resolver(&record.state.endpoints);
        let upstream = self.upstream_of(&record);
        let resolver = if wants { Some(resolver::start(self, &container, namespace, upstream)?) } else { None };
        record::save_sandbox(&self.config.exec_root, &record)?;
        let mut state = self.state();
        state.join(&container, &record.spec.name, &record.state.endpoints);
        if let Some(entry) = state.sandboxes.get_mut(&container) {
            entry.record = record;
            entry.resolver = resolver;
            if let Some(leases) = fresh_leases {
                entry.leases = leases;
            }
        }
        Ok(())
    }

    pub(crate) fn record_of(&self, container: &ContainerId) -> Option<SandboxRecord> {
        self.state().sandboxes.get(container).map(|e| e.record.clone())
    }

    /// Gives a container another name.
    pub(crate) fn rename(&self, container: &ContainerId, name: &str) {
        let record = {
            let mut state = self.state();
            let Some(entry) = state.sandboxes.get_mut(container) else { return };
            let old = std::mem::replace(&mut entry.record.spec.name, name.to_owned());
            for endpoint in &mut entry.record.state.endpoints {
                if let Some(first) = endpoint.dns_names.iter_mut().find(|n| **n == old) {
                    name.clone_into(first);
                }
            }
            let record = entry.record.clone();
            state.join(container, name, &record.state.endpoints);
            record
        };
        if let Err(error) = record::save_sandbox(&self.config.exec_root, &record) {
            tracing::warn!(%container, %error, "sandbox record not renewed");
        }
    }
}
