use std::collections::BTreeMap;
use std::sync::Arc;

use event::Kind;
use network::{EndpointState, NetworkCreated, NetworkRef, NetworkSpec, NetworkView, Sandbox};
use spec::{EndpointSettings, PortBinding, PortMap};

use crate::Error;
use crate::containers::Msg;
use crate::engine::Shared;

/// Networks: the network service's operations, with events.
#[derive(Debug, Clone)]
pub struct Networks {
    shared: Arc<Shared>,
}

impl Networks {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn emit(&self, action: &str, network: &NetworkRef, container: Option<&str>) {
        let mut attributes =
            BTreeMap::from([("name".to_owned(), network.name.clone()), ("type".to_owned(), network.driver.clone())]);
        attributes.extend(container.map(|id| ("container".to_owned(), id.to_owned())));
        self.shared.events.emit(Kind::Network, action, network.id.as_str(), attributes);
    }

    /// All networks.
    pub fn list(&self) -> Vec<NetworkView> {
        self.shared.networks.list()
    }

    /// One network.
    ///
    /// # Errors
    /// Not found or ambiguous.
    pub fn inspect(&self, name_or_id: &str) -> Result<NetworkView, Error> {
        Ok(self.shared.networks.inspect(name_or_id)?)
    }

    /// Makes a network.
    ///
    /// # Errors
    /// The service's.
    pub async fn create(&self, spec: NetworkSpec) -> Result<NetworkCreated, Error> {
        let created = self.shared.networks.create(spec).await?;
        if let Ok(network) = self.shared.networks.resolve(created.id.as_str()) {
            self.emit("create", &network, None);
        }
        Ok(created)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// The service's.
    pub async fn remove(&self, name_or_id: &str) -> Result<(), Error> {
        let network = self.shared.networks.remove(name_or_id).await?;
        self.emit("destroy", &network, None);
        Ok(())
    }

    /// Removes the unused networks that pass `wanted`; gives their names.
    ///
    /// # Errors
    /// The service's.
    pub async fn prune(&self, wanted: impl Fn(&NetworkView) -> bool + Send) -> Result<Vec<String>, Error> {
        let removed = self.shared.networks.prune(wanted).await?;
        for network in &removed {
            self.emit("destroy", network, None);
        }
        Ok(removed.into_iter().map(|n| n.name).collect())
    }

    /// Puts a container on a network: at once if it runs, else at its next start.
    ///
    /// # Errors
    /// The service's.
    pub async fn connect(&self, network: &str, container: &str, settings: EndpointSettings) -> Result<(), Error> {
        let handle = self.shared.containers.find(container)?;
        let endpoint = network::EndpointSpec::from_settings(network, &settings)?;
        let network = self.shared.networks.check_endpoint(&endpoint)?;
        handle.ask(|reply| Msg::Connect { endpoint, settings: Box::new(settings), reply }).await?;
        self.emit("connect", &network, Some(handle.id.as_str()));
        Ok(())
    }

    /// Takes a container off a network.
    ///
    /// # Errors
    /// The service's.
    pub async fn disconnect(&self, network: &str, container: &str, force: bool) -> Result<(), Error> {
        let handle = self.shared.containers.find(container)?;
        let network = self.shared.networks.resolve(network)?;
        handle.ask(|reply| Msg::Disconnect { network: network.name.clone(), force, reply }).await?;
        self.emit("disconnect", &network, Some(handle.id.as_str()));
        Ok(())
    }
}

/// What `inspect` shows of an endpoint that is up: the declared part with the addresses it got.
pub(crate) fn endpoint_settings(declared: Option<&EndpointSettings>, state: &EndpointState) -> EndpointSettings {
    let text = |ip: Option<String>| ip.unwrap_or_default();
    EndpointSettings {
        network_id: state.network_id.to_string(),
        endpoint_id: state.endpoint_id.to_string(),
        gateway: text(state.gateway.map(|ip| ip.to_string())),
        ip_address: text(state.ipv4.map(|(ip, _)| ip.to_string())),
        ip_prefix_len: state.ipv4.map_or(0, |(_, len)| i64::from(len)),
        ipv6_gateway: text(state.gateway6.map(|ip| ip.to_string())),
        global_ipv6_address: text(state.ipv6.map(|(ip, _)| ip.to_string())),
        global_ipv6_prefix_len: state.ipv6.map_or(0, |(_, len)| i64::from(len)),
        mac_address: text(state.mac.map(|mac| mac.to_string())),
        dns_names: (!state.dns_names.is_empty()).then(|| state.dns_names.clone()),
        gw_priority: state.gw_priority,
        ..declared.cloned().unwrap_or_default()
    }
}

/// `NetworkSettings.Ports` of a sandbox: exposed ports, and where the published ones are bound.
pub(crate) fn port_map(exposed: Option<&spec::KeySet>, sandbox: &Sandbox) -> PortMap {
    let mut map: PortMap = exposed.into_iter().flatten().map(|(key, _)| (key.clone(), None)).collect();
    for port in &sandbox.ports {
        let key = format!("{}/{}", port.container_port, port.protocol);
        let binding = PortBinding { host_ip: port.host_ip.to_string(), host_port: port.host_port.to_string() };
        map.entry(key).or_default().get_or_insert_default().push(binding);
    }
    map
}
