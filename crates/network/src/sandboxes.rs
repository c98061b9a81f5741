//! Making, changing and ending sandboxes.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use id::ContainerId;
use portmap::Lease;

use crate::attach::{attach, gateways_over};
use crate::files::{self, HostsEntry, ResolvConf, ResolvKind};
use crate::inner::{Inner, publications};
use crate::names::own_names;
use crate::namespace::{self, Fresh, Pair};
use crate::record::{self, SandboxRecord};
use crate::state::{EndpointPlan, Entry, new_id};
use crate::{EndpointSpec, Error, Sandbox, SandboxMode, SandboxSpec, resolver};

/// A sandbox that is being made: what must be undone if it fails.
pub(crate) struct Partial {
    pub(crate) record: SandboxRecord,
    pub(crate) leases: Vec<Lease>,
    pub(crate) published: bool,
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
                self.pool.refill(&self.host, self.usual_bridge());
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
        let mut fresh = match plans.iter().find_map(|p| p.link.as_ref()) {
            Some(link) => self.pool.take(&self.host, link.bridge_index)?,
            None => Fresh::bare()?,
        };
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

    pub(crate) fn unpublish(&self, record: &SandboxRecord) {
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

    pub(crate) fn record_of(&self, container: &ContainerId) -> Option<SandboxRecord> {
        self.state().sandboxes.get(container).map(|e| e.record.clone())
    }

    /// Changes the legacy links of a container.
    pub(crate) fn relink(&self, container: &ContainerId, links: Vec<(ContainerId, Vec<String>)>) -> Result<(), Error> {
        let mut record = self.record_of(container).ok_or_else(|| Error::NoSandbox(container.to_string()))?;
        record.spec.links = links;
        record.state.hosts = self.hosts_for(&record)?;
        record::save_sandbox(&self.config.exec_root, &record)?;
        if let Some(entry) = self.state().sandboxes.get_mut(container) {
            entry.record = record;
        }
        Ok(())
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
