//! Self-healing: somebody flushes rules, deletes a bridge, takes an interface away; within a second or two it is as it
//! should be again. Driven by the kernel's notices, not by polling.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use netlink::monitor::{Change, Monitor};
use netlink::route::{Batch, LinkChange, LinkRef};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;

use crate::attach::{attach, gateways_over, port_settings};
use crate::inner::Inner;
use crate::record::SandboxRecord;
use crate::state::{EndpointPlan, LinkPlan};
use crate::{EndpointState, Error, namespace};

/// Notices come in bursts; what is there after this long is looked at together.
const SETTLE: Duration = Duration::from_millis(300);

/// How often a change that is in the way (a network is just being made) is waited for.
const ATTEMPTS: usize = 20;

/// A thread that watches; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    _alive: OwnedFd,
}

impl Watcher {
    /// Starts watching. Must be called by a thread in the daemon's network namespace.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self, Error> {
        let failed = |source| Error::Netlink { what: "watch the network", source };
        let io = |source| Error::Namespace { what: "watch the network", source };
        let links = Monitor::links().map_err(failed)?;
        let filter = Monitor::filter().map_err(failed)?;
        let (dead, alive) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| io(e.into()))?;
        let service = Arc::downgrade(inner);
        std::thread::Builder::new()
            .name("net-watch".to_owned())
            .spawn(move || run(&links, &filter, &dead, &service))
            .map_err(io)?;
        Ok(Self { _alive: alive })
    }
}

fn run(links: &Monitor, filter: &Monitor, dead: &OwnedFd, service: &Weak<Inner>) {
    loop {
        let mut fds =
            [PollFd::new(dead, PollFlags::IN), PollFd::new(links, PollFlags::IN), PollFd::new(filter, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return tracing::error!(%error, "network changes are no longer watched"),
        }
        if !fds[0].revents().is_empty() {
            return;
        }
        let mut changes = Vec::new();
        for monitor in [links, filter] {
            match monitor.take() {
                Ok(more) => changes.extend(more),
                Err(error) => {
                    tracing::warn!(%error, "network changes not read");
                    changes.push(Change::Overrun);
                }
            }
        }
        let Some(inner) = service.upgrade() else { return };
        if inner.concerns(&changes) {
            std::thread::sleep(SETTLE);
            inner.heal();
        }
    }
}

impl Inner {
    /// Whether any of the changes takes something away that we need.
    fn concerns(&self, changes: &[Change]) -> bool {
        let mut names: Option<BTreeSet<String>> = None;
        changes.iter().any(|change| match change {
            Change::Filter | Change::Overrun | Change::Forwarding => true,
            Change::Link { up: true, .. } => false,
            Change::Link { name, up: false } | Change::LinkGone(name) => {
                names.get_or_insert_with(|| self.own_links()).contains(name)
            }
            Change::AddressGone(link) => {
                self.state().networks.values().any(|n| n.bridge.is_some() && n.bridge_index == *link)
            }
        })
    }

    /// Bridges, and the host's ends of live interfaces.
    fn own_links(&self) -> BTreeSet<String> {
        let state = self.state();
        let bridges = state.networks.values().filter_map(|n| n.bridge.clone());
        let pairs = state.sandboxes.values().flat_map(|e| e.record.state.endpoints.iter().map(|e| e.host_if.clone()));
        bridges.chain(pairs).collect()
    }

    /// Looks at everything and repairs what is not as it should be.
    pub(crate) fn heal(self: &Arc<Self>) {
        // A network that is being made or removed looks broken.
        let mut attempts = 0;
        let _changing = loop {
            match self.changing.try_lock() {
                Ok(guard) => break guard,
                Err(_) if attempts < ATTEMPTS => std::thread::sleep(SETTLE),
                Err(_) => return tracing::warn!("network not checked: it is being changed all the time"),
            }
            attempts += 1;
        };
        if let Err(error) = self.heal_filter() {
            tracing::error!(%error, "packet filter is not as it should be");
        }
        if let Err(error) = self.heal_bridges() {
            tracing::error!(%error, "bridges are not as they should be");
        }
        if self.config.ip_forward
            && let Err(error) = self.host.enable_forwarding4()
        {
            tracing::error!(%error, "forwarding is off");
        }
        let records: Vec<SandboxRecord> = self.state().sandboxes.values().map(|e| e.record.clone()).collect();
        for record in &records {
            self.heal_links(record);
        }
    }

    fn heal_filter(&self) -> Result<(), Error> {
        let mut filter = self.filter();
        let Some(executor) = filter.as_mut() else { return Ok(()) };
        if !executor.is_intact()? {
            tracing::warn!("packet filter rules were changed by somebody else: putting them back");
            executor.repair()?;
        }
        Ok(())
    }

    fn heal_bridges(&self) -> Result<(), Error> {
        let links = self.host.route().links();
        let links = links.map_err(|source| Error::Netlink { what: "list links", source })?;
        let broken = {
            let state = self.state();
            let mut broken = false;
            for network in state.networks.values() {
                let Some(plan) = self.bridge_plan(network) else { continue };
                let whole = links.iter().any(|l| l.name == plan.name && l.up && l.index == network.bridge_index);
                broken |= !whole;
            }
            broken
        };
        let missing_address = !broken && self.bridge_lacks_address()?;
        if broken || missing_address {
            tracing::warn!("bridges were changed by somebody else: putting them back");
            self.ensure_bridges()?;
        }
        Ok(())
    }

    fn bridge_lacks_address(&self) -> Result<bool, Error> {
        let present = self.host.route().addresses();
        let present = present.map_err(|source| Error::Netlink { what: "list addresses", source })?;
        let state = self.state();
        Ok(state.networks.values().any(|network| {
            let Some(plan) = self.bridge_plan(network) else { return false };
            plan.addresses.iter().any(|a| !present.iter().any(|p| p.link == network.bridge_index && p.address == *a))
        }))
    }

    /// Every interface of a sandbox is a port of its bridge; a lost one is made anew.
    pub(crate) fn heal_links(self: &Arc<Self>, record: &SandboxRecord) {
        for endpoint in record.state.endpoints.iter().filter(|e| !e.host_if.is_empty()) {
            if let Err(error) = self.heal_link(record, endpoint) {
                tracing::warn!(container = %record.spec.container_id, network = endpoint.network_name, %error,
                    "interface is not as it should be");
            }
        }
    }

    fn heal_link(self: &Arc<Self>, record: &SandboxRecord, endpoint: &EndpointState) -> Result<(), Error> {
        let Some(link_plan) = ({
            let state = self.state();
            // Released meanwhile: not ours to mend.
            let live = state.sandboxes.contains_key(&record.spec.container_id);
            let network = state.networks.get(&endpoint.network_id).filter(|_| live);
            network.map(|n| LinkPlan {
                bridge: n.bridge.clone().unwrap_or_default(),
                bridge_index: n.bridge_index,
                mtu: n.settings.mtu,
                isolated: !n.settings.icc,
                hairpin: state.hairpin,
                link_local: Vec::new(),
                sysctls: String::new(),
            })
        }) else {
            return Ok(());
        };
        let found = self.host.route().link(&endpoint.host_if);
        let found = found.map_err(|source| Error::Netlink { what: "list links", source })?;
        match found {
            Some(link) if link.up && link.master == Some(link_plan.bridge_index) => Ok(()),
            Some(link) => {
                let mut batch = Batch::new();
                let change =
                    LinkChange { up: Some(true), master: Some(link_plan.bridge_index), ..LinkChange::default() };
                batch.set_link(LinkRef::Index(link.index), &change);
                port_settings(&mut batch, &self.host, &link_plan, &endpoint.host_if);
                self.host.execute("connect the interface to its bridge", &batch)
            }
            None => {
                let plan = EndpointPlan { state: endpoint.clone(), link: Some(link_plan) };
                self.replace_link(record, &plan)
            }
        }
    }

    /// Makes a lost interface anew, with the same name and addresses.
    fn replace_link(self: &Arc<Self>, record: &SandboxRecord, plan: &EndpointPlan) -> Result<(), Error> {
        let (Some(path), Some(link)) = (&record.state.netns_path, &plan.link) else { return Ok(()) };
        let handle = namespace::open(path)?;
        let mut socket = namespace::socket_in(handle.as_fd())?;
        let pair = namespace::add_pair(&self.host, handle.as_fd(), &mut socket, &plan.state.if_name)?;
        let gateways = gateways_over(&plan.state, &record.state.endpoints, pair.index);
        attach(&self.host, handle.as_fd(), &mut socket, plan, link, &pair, &gateways)?;
        let renewed = {
            let mut state = self.state();
            let Some(entry) = state.sandboxes.get_mut(&record.spec.container_id) else { return Ok(()) };
            let mine = |e: &&mut EndpointState| e.endpoint_id == plan.state.endpoint_id;
            if let Some(endpoint) = entry.record.state.endpoints.iter_mut().find(mine) {
                pair.host_if.clone_into(&mut endpoint.host_if);
            }
            entry.record.clone()
        };
        tracing::warn!(container = %record.spec.container_id, network = plan.state.network_name, "interface replaced");
        crate::record::save_sandbox(&self.config.exec_root, &renewed)
    }
}
