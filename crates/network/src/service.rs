//! The facade.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use id::ContainerId;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::heal::Watcher;
use crate::inner::Inner;
use crate::{
    Config, ConnectSpec, EndpointState, Error, NetworkCreated, NetworkRef, NetworkSpec, NetworkView, Sandbox,
    SandboxSpec,
};

/// Networks and sandboxes of one daemon. Cheap to clone; all clones are the same service.
#[derive(Debug, Clone)]
pub struct Service {
    inner: Arc<Inner>,
    watcher: Arc<Mutex<Option<Watcher>>>,
}

/// Runs short system calls in place. Handing them to another thread would cost more than most of them take; other tasks
/// of this worker are taken over by another one.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Service {
    /// Starts networking: reads the networks' records, makes the default bridge, programs the packet filter, takes over
    /// the sandboxes that an earlier daemon left (see [`Self::adopt`], [`Self::sweep`]), starts the healing monitor.
    /// Must be called inside a tokio runtime, by a thread in the daemon's network namespace.
    pub async fn start(config: Config, store: Arc<metastore::Db>) -> Result<Self, Error> {
        let inner = blocking(|| Inner::start(config, store))?;
        let watcher = Arc::new(Mutex::new(Some(Watcher::start(&inner)?)));
        Ok(Self { inner, watcher })
    }

    /// Makes the network side of a container that is about to start. Either everything is there afterwards or nothing.
    pub async fn sandbox_create(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        blocking(|| self.inner.create_sandbox(spec))
    }

    /// Ends a container's sandbox. Ports and addresses are free when this returns; interfaces and the namespace are
    /// reaped in the background. Does nothing when there is no sandbox.
    pub fn sandbox_release(&self, container: &ContainerId) {
        self.inner.release(container);
    }

    /// The live sandbox of a container.
    pub fn sandbox(&self, container: &ContainerId) -> Option<Sandbox> {
        self.inner.record_of(container).map(|r| r.state)
    }

    /// Takes over the sandbox that an earlier daemon made for a container which still runs: addresses, ports and names
    /// stay. Fails if no usable record or namespace was left.
    pub async fn adopt(&self, container: &ContainerId) -> Result<Sandbox, Error> {
        let mut state = self.inner.state();
        let entry = state.sandboxes.get_mut(container).ok_or_else(|| Error::NoSandbox(container.to_string()))?;
        entry.restored = false;
        Ok(entry.record.state.clone())
    }

    /// Releases every sandbox left by an earlier daemon that is not in `live` (and was not adopted).
    pub async fn sweep(&self, live: &[ContainerId]) -> Result<(), Error> {
        let dead: Vec<ContainerId> = {
            let state = self.inner.state();
            let left = state.sandboxes.iter().filter(|(id, entry)| entry.restored && !live.contains(id));
            left.map(|(id, _)| id.clone()).collect()
        };
        blocking(|| dead.iter().for_each(|id| self.inner.release(id)));
        Ok(())
    }

    /// A container whose sandbox was made has started, or will not: what other sandboxes will need may be made now.
    pub fn settled(&self) {
        self.inner.pool.settled();
    }

    /// Changes the container's name in the name service of its networks.
    pub fn rename(&self, container: &ContainerId, name: &str) {
        self.inner.rename(container, name);
    }

    /// Changes the legacy links of a running container: its `hosts` are new afterwards.
    ///
    /// # Errors
    /// It has no sandbox, or the record of it cannot be written.
    pub fn relink(&self, container: &ContainerId, links: Vec<(ContainerId, Vec<String>)>) -> Result<(), Error> {
        self.inner.relink(container, links)
    }

    /// Makes a network.
    pub async fn create(&self, spec: NetworkSpec) -> Result<NetworkCreated, Error> {
        let _changing = self.inner.changing.lock().await;
        blocking(|| self.inner.create_network(spec))
    }

    /// All networks, with `containers` left empty, oldest first.
    pub fn list(&self) -> Vec<NetworkView> {
        let mut views: Vec<NetworkView> = self.inner.state().networks.values().map(|n| n.view(false)).collect();
        views.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
        views
    }

    /// One network by name, id, or unambiguous start of an id.
    pub fn inspect(&self, name_or_id: &str) -> Result<NetworkView, Error> {
        Ok(self.inner.state().find(name_or_id)?.view(true))
    }

    /// Finds a network without building its whole view.
    pub fn resolve(&self, name_or_id: &str) -> Result<NetworkRef, Error> {
        Ok(self.inner.state().find(name_or_id)?.to_ref())
    }

    /// Removes a network that nobody is on.
    pub async fn remove(&self, name_or_id: &str) -> Result<NetworkRef, Error> {
        let _changing = self.inner.changing.lock().await;
        blocking(|| self.inner.remove_network(name_or_id))
    }

    /// Removes every user-defined network without running containers for which `wanted` is true.
    pub async fn prune(&self, wanted: impl Fn(&NetworkView) -> bool + Send) -> Result<Vec<NetworkRef>, Error> {
        let _changing = self.inner.changing.lock().await;
        Ok(blocking(|| self.inner.prune_networks(wanted)))
    }

    /// Whether a container may be given this endpoint (also for containers that do not run).
    pub fn check_endpoint(&self, spec: &ConnectSpec) -> Result<NetworkRef, Error> {
        let state = self.inner.state();
        let network = state.find(&spec.network)?;
        network.check(spec)?;
        Ok(network.to_ref())
    }

    /// Joins a running container to one more network. The new `/etc/hosts` and `/etc/resolv.conf` are in
    /// [`Self::sandbox`].
    pub async fn connect(&self, container: &ContainerId, spec: ConnectSpec) -> Result<EndpointState, Error> {
        let _changing = self.inner.changing.lock().await;
        blocking(|| self.inner.connect(container, spec))
    }

    /// Takes a running container off a network.
    pub async fn disconnect(&self, container: &ContainerId, network: &str, force: bool) -> Result<NetworkRef, Error> {
        // `force` is for networks whose driver has lost the endpoint: there is nothing here that could be lost so.
        let _ = force;
        let _changing = self.inner.changing.lock().await;
        blocking(|| self.inner.disconnect(container, network))
    }

    /// Ends the service: background work is finished; namespaces, rules and interfaces of running containers stay (live
    /// restore).
    pub async fn shutdown(&self) {
        drop(self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take());
        blocking(|| {
            self.inner.pool.close();
            self.inner.reaper.flush();
        });
    }

    /// Directory of the kept namespaces.
    pub fn netns_dir(&self) -> PathBuf {
        self.inner.config.exec_root.join("netns")
    }
}
