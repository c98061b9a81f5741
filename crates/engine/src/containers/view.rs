//! What readers see of a container: one immutable value, replaced as a whole by its owner.

use std::collections::BTreeMap;
use std::path::PathBuf;

use container::{Health, State};
use id::{ContainerId, Digest};
use oci::image::Descriptor;
use spec::{ContainerSpec, EndpointSettings};

use super::record::ContainerRecord;
use crate::engine::Shared;
use crate::networks::{endpoint_settings, port_map};

/// A container as it was at one moment.
#[derive(Debug, Clone)]
pub struct ContainerView {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without a slash.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// The declaration, with the image's defaults filled in.
    pub spec: ContainerSpec,
    /// Program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The image's id.
    pub image_id: Digest,
    /// The manifest chosen from the image.
    pub manifest: Option<Descriptor>,
    /// Operating system of the image.
    pub os: String,
    /// Where it is in its life.
    pub state: State,
    /// What the health check says, once it has been started.
    pub health: Option<Health>,
    /// `<data-root>/containers/<id>`.
    pub dir: PathBuf,
    /// The json-file log, if that is the driver.
    pub log_path: Option<PathBuf>,
    /// The log that can be read here, whatever the driver.
    pub log_file: Option<PathBuf>,
    /// Upper and work directory and lower layers, for inspect.
    pub layers: Option<image::RootfsMount>,
    /// Networks as joined (running) or declared (not running).
    pub network: NetworkState,
    /// Mounts as resolved.
    pub mounts: Vec<MountPoint>,
    /// Legacy links to other containers.
    pub links: super::Links,
    /// Ids of exec sessions that are not over.
    pub execs: Vec<String>,
}

/// What a container has of the network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkState {
    /// Id of the sandbox; empty when there is none.
    pub sandbox_id: String,
    /// Path of the network namespace; empty when there is none.
    pub sandbox_key: String,
    /// Network name → endpoint.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// `80/tcp` → bindings in force (`null` for exposed only), as `NetworkSettings.Ports`.
    pub ports: spec::PortMap,
}

/// A mount of a container, as `inspect` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`, …
    pub kind: String,
    /// Volume name.
    pub name: String,
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub destination: String,
    /// Volume driver.
    pub driver: String,
    /// Options as given.
    pub mode: String,
    /// Writable.
    pub rw: bool,
    /// Propagation, `rprivate` for binds by default.
    pub propagation: String,
    /// A volume that nobody named: it may go with the container.
    #[serde(default)]
    pub anonymous: bool,
    /// An empty volume gets what the image has at the destination.
    #[serde(default)]
    pub copy: bool,
    /// Path within the volume or image; empty for all of it.
    #[serde(default)]
    pub subpath: String,
    /// A missing source is made at the start.
    #[serde(default)]
    pub create_source: bool,
    /// What a bind does with the mounts below its source.
    #[serde(default)]
    pub recursion: Recursion,
    /// Id of the image that is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<id::Digest>,
}

/// What a bind does with the mounts below its source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Recursion {
    /// They are left out.
    pub off: bool,
    /// Read-only does not reach them.
    pub read_only_off: bool,
    /// Read-only must reach them.
    pub read_only_forced: bool,
}

/// Builds the view of a container from what its owner has.
pub(crate) fn build(
    shared: &Shared,
    record: &ContainerRecord,
    layers: Option<image::RootfsMount>,
    sandbox: Option<&network::Sandbox>,
    execs: &[String],
) -> ContainerView {
    let (path, args) = record.command();
    let dir = shared.container_dir(&record.id);
    let json_file = matches!(record.spec.host.log_config.kind.as_str(), "json-file");
    ContainerView {
        id: record.id.clone(),
        name: record.name.clone(),
        created_at: record.created_at,
        spec: record.spec.clone(),
        path,
        args,
        image_id: record.image.id.clone(),
        manifest: Some(record.image.manifest.clone()),
        os: record.image.platform.os.clone(),
        state: record.state.clone(),
        health: record.health.clone(),
        log_file: super::shipping::file(shared, record).filter(|_| super::shipping::is_readable(record)),
        log_path: json_file.then(|| dir.join(format!("{}-json.log", record.id))),
        dir,
        layers,
        network: network_state(record, sandbox),
        mounts: record.mounts.clone(),
        links: record.links.clone(),
        execs: execs.to_vec(),
    }
}

fn network_state(record: &ContainerRecord, sandbox: Option<&network::Sandbox>) -> NetworkState {
    let declared = &record.spec.networking.endpoints_config;
    let mut endpoints: BTreeMap<String, EndpointSettings> =
        declared.iter().map(|(name, e)| (name.clone(), e.clone().unwrap_or_default())).collect();
    let Some(sandbox) = sandbox else {
        return NetworkState { endpoints, ..NetworkState::default() };
    };
    for state in &sandbox.endpoints {
        let settings = endpoint_settings(endpoints.get(&state.network_name), state);
        endpoints.insert(state.network_name.clone(), settings);
    }
    NetworkState {
        sandbox_id: sandbox.id.to_string(),
        sandbox_key: sandbox.netns_path.as_ref().map(|p| p.display().to_string()).unwrap_or_default(),
        endpoints,
        ports: port_map(record.spec.config.exposed_ports.as_ref(), sandbox),
    }
}
