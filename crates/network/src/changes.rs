//! Changes of a running sandbox: networks come and go.

use std::os::fd::AsFd;
use std::sync::Arc;

use id::{ContainerId, NetworkId};

use crate::attach::{attach, reroute};
use crate::error::InvalidSpec;
use crate::inner::{Inner, publications};
use crate::names::own_names;
use crate::record::{self, Driver, SandboxRecord};
use crate::sandboxes::Partial;
use crate::state::{Entry, gateway_endpoint};
use crate::{EndpointSpec, EndpointState, Error, NetworkRef, SandboxMode, namespace, resolver};

impl Inner {
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
}
