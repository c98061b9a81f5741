//! The facade.

use std::path::PathBuf;
use std::sync::Arc;

use id::ContainerId;

use crate::{
    Config, ConnectSpec, EndpointState, Error, NetworkCreated, NetworkRef, NetworkSpec, NetworkView, Sandbox,
    SandboxSpec,
};

/// Networks and sandboxes of one daemon. Cheap to clone; all clones are the same service.
#[derive(Debug, Clone)]
pub struct Service {
    config: Arc<Config>,
}

impl Service {
    /// Starts networking: reads the networks' records, makes the default bridge, programs the packet filter, takes note
    /// of sandboxes that an earlier daemon left (see [`Self::adopt`], [`Self::sweep`]), starts the healing monitor.
    /// Must be called inside a tokio runtime.
    pub async fn start(config: Config, store: Arc<metastore::Db>) -> Result<Self, Error> {
        let _ = store;
        Ok(Self { config: Arc::new(config) })
    }

    /// Makes the network side of a container that is about to start. Either everything is there afterwards or nothing.
    pub async fn sandbox_create(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        Err(Error::NoSandbox(spec.container_id.to_string()))
    }

    /// Ends a container's sandbox. Ports and addresses are free when this returns; interfaces and the namespace are
    /// reaped in the background. Does nothing when there is no sandbox.
    pub fn sandbox_release(&self, container: &ContainerId) {
        let _ = container;
    }

    /// The live sandbox of a container.
    pub fn sandbox(&self, container: &ContainerId) -> Option<Sandbox> {
        let _ = container;
        None
    }

    /// Takes over the sandbox that an earlier daemon made for a container which still runs: addresses, ports and names
    /// stay. Repairs rules; fails if no usable record or namespace was left.
    pub async fn adopt(&self, container: &ContainerId) -> Result<Sandbox, Error> {
        Err(Error::NoSandbox(container.to_string()))
    }

    /// Releases every sandbox left by an earlier daemon that is not in `live` (and was not adopted).
    pub async fn sweep(&self, live: &[ContainerId]) -> Result<(), Error> {
        let _ = live;
        Ok(())
    }

    /// Changes the container's name in the name service of its networks.
    pub fn rename(&self, container: &ContainerId, name: &str) {
        let _ = (container, name);
    }

    /// Makes a network.
    pub async fn create(&self, spec: NetworkSpec) -> Result<NetworkCreated, Error> {
        Err(Error::NotFound(spec.name))
    }

    /// All networks, with `containers` left empty, in Docker's order.
    pub fn list(&self) -> Vec<NetworkView> {
        Vec::new()
    }

    /// One network by name, id, or unambiguous start of an id.
    pub fn inspect(&self, name_or_id: &str) -> Result<NetworkView, Error> {
        Err(Error::NotFound(name_or_id.to_owned()))
    }

    /// Finds a network without building its whole view.
    pub fn resolve(&self, name_or_id: &str) -> Result<NetworkRef, Error> {
        Err(Error::NotFound(name_or_id.to_owned()))
    }

    /// Removes a network that nobody is on.
    pub async fn remove(&self, name_or_id: &str) -> Result<NetworkRef, Error> {
        Err(Error::NotFound(name_or_id.to_owned()))
    }

    /// Removes every user-defined network without running containers for which `wanted` is true.
    pub async fn prune(&self, wanted: impl Fn(&NetworkView) -> bool + Send) -> Result<Vec<NetworkRef>, Error> {
        let _ = wanted;
        Ok(Vec::new())
    }

    /// Whether a container may be given this endpoint (also for containers that do not run).
    pub fn check_endpoint(&self, spec: &ConnectSpec) -> Result<NetworkRef, Error> {
        self.resolve(&spec.network)
    }

    /// Joins a running container to one more network. The new `/etc/hosts` is in [`Self::sandbox`].
    pub async fn connect(&self, container: &ContainerId, spec: ConnectSpec) -> Result<EndpointState, Error> {
        let _ = container;
        Err(Error::NotFound(spec.network))
    }

    /// Takes a running container off a network.
    pub async fn disconnect(&self, container: &ContainerId, network: &str, force: bool) -> Result<NetworkRef, Error> {
        let _ = (container, force);
        Err(Error::NotFound(network.to_owned()))
    }

    /// Ends the service: background work is finished or given up; namespaces, rules and interfaces of running containers
    /// stay (live restore).
    pub async fn shutdown(&self) {}

    /// Directory of the kept namespaces.
    pub fn netns_dir(&self) -> PathBuf {
        self.config.exec_root.join("netns")
    }
}
