//! `/containers`.

use oci::image::Descriptor;
use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::{is_default, null_default};

/// Body of `POST /containers/create`.
pub use spec::CreateBody as CreateRequest;

/// Answer of `POST /containers/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateResponse {
    /// The new container.
    pub id: String,
    /// What the user should know; `[]` if nothing.
    #[serde(deserialize_with = "null_default")]
    pub warnings: Vec<String>,
}

/// One row of `GET /containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerSummary {
    /// Its id.
    pub id: String,
    /// Its names, each with a slash.
    #[serde(deserialize_with = "null_default")]
    pub names: Vec<String>,
    /// The image as it was named at creation.
    pub image: String,
    /// The image's id.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The manifest that was chosen from the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
    /// Program and arguments in one line.
    pub command: String,
    /// Unix seconds.
    pub created: i64,
    /// Exposed and published ports.
    #[serde(deserialize_with = "null_default")]
    pub ports: Vec<PortSummary>,
    /// Bytes written (with `size=1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes in all (with `size=1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Labels.
    #[serde(deserialize_with = "null_default")]
    pub labels: Map<String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    /// For humans: `Up 2 hours (healthy)`.
    pub status: String,
    /// A little of its host configuration.
    pub host_config: HostConfigSummary,
    /// The health check's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSummary>,
    /// Its networks.
    pub network_settings: Option<NetworkSettingsSummary>,
    /// Its mounts.
    #[serde(deserialize_with = "null_default")]
    pub mounts: Vec<MountPoint>,
}

/// A port of a [`ContainerSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortSummary {
    /// Host address it is published at; absent when only exposed.
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub ip: String,
    /// Inside.
    pub private_port: u16,
    /// On the host; absent when only exposed.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_default")]
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type")]
    pub kind: String,
}

/// Host configuration of a [`ContainerSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfigSummary {
    /// Network mode.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub network_mode: String,
    /// Annotations.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "null_default")]
    pub annotations: Map<String>,
}

/// Health in a [`ContainerSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthSummary {
    /// `none`, `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
}

/// Networks in a [`ContainerSummary`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettingsSummary {
    /// By network name.
    #[serde(deserialize_with = "null_default")]
    pub networks: Map<spec::EndpointSettings>,
}

/// A mount as inspect and list show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`, `image`, …
    #[serde(rename = "Type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it lies on the host.
    pub source: String,
    /// Where the container sees it.
    pub destination: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The options as they were given.
    pub mode: String,
    /// Writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Mount propagation.
    pub propagation: String,
}

/// Answer of `GET /containers/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerInspect {
    /// Its id.
    pub id: String,
    /// RFC 3339 with nanoseconds.
    pub created: String,
    /// The program.
    pub path: String,
    /// Its arguments.
    #[serde(deserialize_with = "null_default")]
    pub args: Vec<String>,
    /// What it does.
    pub state: Option<State>,
    /// The image's id.
    pub image: String,
    /// On the host.
    pub resolv_conf_path: String,
    /// On the host.
    pub hostname_path: String,
    /// On the host.
    pub hosts_path: String,
    /// On the host; empty if the log driver has no file.
    pub log_path: String,
    /// With a slash.
    pub name: String,
    /// How often it was restarted by its policy.
    pub restart_count: i64,
    /// Snapshotter (storage driver).
    pub driver: String,
    /// `linux`.
    pub platform: String,
    /// SELinux.
    pub mount_label: String,
    /// SELinux.
    pub process_label: String,
    /// AppArmor.
    pub app_armor_profile: String,
    /// Running exec sessions; `null` if none.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// What it gets of the host.
    pub host_config: Option<spec::HostConfig>,
    /// The storage driver's data (stores with graph drivers only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_driver: Option<DriverData>,
    /// The snapshotter's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Bytes written (with `size=1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes in all (with `size=1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Its mounts.
    #[serde(deserialize_with = "null_default")]
    pub mounts: Vec<MountPoint>,
    /// What the container is.
    pub config: Option<spec::Config>,
    /// Its networks.
    pub network_settings: Option<NetworkSettings>,
    /// The manifest that was chosen from the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// Its init lives (paused and restarting containers count).
    pub running: bool,
    /// Frozen.
    pub paused: bool,
    /// Waits for its next start.
    pub restarting: bool,
    /// Something in it was killed for lack of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Could not be removed.
    pub dead: bool,
    /// Of its init, on the host; 0 if none.
    pub pid: i64,
    /// Of its last run.
    pub exit_code: i64,
    /// Why it could not start.
    pub error: String,
    /// RFC 3339 with nanoseconds; year 1 if never.
    pub started_at: String,
    /// RFC 3339 with nanoseconds; year 1 if never.
    pub finished_at: String,
    /// Absent without a health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// What the health check says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last few results, oldest first; `null` before the first.
    pub log: Option<Vec<HealthcheckResult>>,
}

/// One run of a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthcheckResult {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// 0 healthy, 1 unhealthy, else the probe itself failed.
    pub exit_code: i64,
    /// What it printed.
    pub output: String,
}

/// Networks of a [`ContainerInspect`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// Its network stack.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// That stack's file.
    pub sandbox_key: String,
    /// Published ports, `80/tcp` → where; `null` where only exposed.
    #[serde(deserialize_with = "null_default")]
    pub ports: Map<Option<Vec<spec::PortBinding>>>,
    /// By network name.
    #[serde(deserialize_with = "null_default")]
    pub networks: Map<spec::EndpointSettings>,
}

/// What a graph driver tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DriverData {
    /// Paths and the like; `null` if none.
    pub data: Option<Map<String>>,
    /// The driver.
    pub name: String,
}

/// What a snapshotter tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// The root file system.
    #[serde(rename = "RootFS", skip_serializing_if = "Option::is_none")]
    pub root_fs: Option<RootFsStorage>,
}

/// Root file system of [`Storage`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFsStorage {
    /// The snapshot it lies on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<RootFsSnapshot>,
}

/// A snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFsSnapshot {
    /// The snapshotter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Answer of `GET /containers/{id}/top`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TopResponse {
    /// One row each.
    #[serde(deserialize_with = "null_default")]
    pub processes: Vec<Vec<String>>,
    /// Names of the columns.
    #[serde(deserialize_with = "null_default")]
    pub titles: Vec<String>,
}

/// Answer of `POST /containers/{id}/wait`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitResponse {
    /// Why waiting failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitExitError>,
    /// Of the container.
    pub status_code: i64,
}

/// Why waiting failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitExitError {
    /// The text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Answer of `POST /containers/{id}/update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateResponse {
    /// `null` if none.
    pub warnings: Option<Vec<String>>,
}

/// One row of `GET /containers/{id}/changes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilesystemChange {
    /// Which file.
    pub path: String,
    /// 0 changed, 1 added, 2 deleted.
    pub kind: u8,
}

/// Content of the header `X-Docker-Container-Path-Stat` (base64 JSON).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStat {
    /// The last component.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's `os.FileMode` bits.
    pub mode: u32,
    /// RFC 3339 with nanoseconds.
    pub mtime: String,
    /// Where a symbolic link points to, within the container.
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

/// Answer of `POST /containers/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PruneReport {
    /// Ids of the containers that are gone; `null` if none.
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}

/// Container part of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Running ones.
    #[serde(skip_serializing_if = "is_default")]
    pub active_count: i64,
    /// The containers (verbose only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ContainerSummary>>,
    /// Bytes that a prune would free.
    #[serde(skip_serializing_if = "is_default")]
    pub reclaimable: i64,
    /// Containers.
    #[serde(skip_serializing_if = "is_default")]
    pub total_count: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub total_size: i64,
}
