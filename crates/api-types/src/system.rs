//! `/version`, `/info`, `/system/df`.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::registry::ServiceConfig;
use crate::rules::null_default;
use crate::{build, container, image, volume};

/// Answer of `GET /version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    /// The product.
    #[serde(skip_serializing_if = "crate::rules::is_default")]
    pub platform: PlatformInfo,
    /// The engine's version.
    pub version: String,
    /// The newest API version that is served.
    pub api_version: String,
    /// The oldest API version that is served.
    #[serde(rename = "MinAPIVersion", skip_serializing_if = "String::is_empty")]
    pub min_api_version: String,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub arch: String,
    /// The engine's parts.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub components: Vec<ComponentVersion>,
    /// Source revision.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// Version of the compiler (Docker: of Go).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub go_version: String,
    /// The kernel's release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel_version: String,
    /// Experimental features are on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub experimental: bool,
    /// When it was built, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// The product of [`Version`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlatformInfo {
    /// Its name.
    pub name: String,
}

/// One part of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComponentVersion {
    /// `Engine`, …
    pub name: String,
    /// Its version.
    pub version: String,
    /// More about it.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "null_default")]
    pub details: Map<String>,
}

/// Answer of `GET /info`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    /// The engine's own id.
    #[serde(rename = "ID")]
    pub id: String,
    /// All containers.
    pub containers: i64,
    /// Running ones.
    pub containers_running: i64,
    /// Paused ones.
    pub containers_paused: i64,
    /// Stopped ones.
    pub containers_stopped: i64,
    /// Images.
    pub images: i64,
    /// Snapshotter (storage driver).
    pub driver: String,
    /// What the snapshotter tells: name, value.
    #[serde(deserialize_with = "null_default")]
    pub driver_status: Vec<[String; 2]>,
    /// Plugins.
    pub plugins: PluginsInfo,
    /// The kernel can limit memory.
    pub memory_limit: bool,
    /// The kernel can limit swap.
    pub swap_limit: bool,
    /// CFS period.
    pub cpu_cfs_period: bool,
    /// CFS quota.
    pub cpu_cfs_quota: bool,
    /// CPU shares.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// CPU sets.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Task limits.
    pub pids_limit: bool,
    /// IPv4 forwarding is on.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Debug mode.
    pub debug: bool,
    /// Open descriptors of the daemon (debug only, else 0).
    pub n_fd: i64,
    /// The OOM killer can be kept off a container (cgroup v1).
    pub oom_kill_disable: bool,
    /// Tasks of the daemon.
    pub n_goroutines: i64,
    /// RFC 3339 with nanoseconds.
    pub system_time: String,
    /// Default log driver.
    pub logging_driver: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// `1` or `2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cgroup_version: String,
    /// Clients that listen to events.
    pub n_events_listener: i64,
    /// The kernel's release.
    pub kernel_version: String,
    /// `PRETTY_NAME` of os-release.
    pub operating_system: String,
    /// `VERSION_ID` of os-release.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// `x86_64`, …
    pub architecture: String,
    /// Docker Hub.
    pub index_server_address: String,
    /// Registries.
    pub registry_config: Option<ServiceConfig>,
    /// CPUs.
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    /// Bytes.
    pub mem_total: i64,
    /// Swarm resources; `null` without.
    pub generic_resources: Option<Vec<serde_json::Value>>,
    /// The data-root.
    pub docker_root_dir: String,
    /// The daemon's proxy for http.
    pub http_proxy: String,
    /// The daemon's proxy for https.
    pub https_proxy: String,
    /// What the daemon reaches without a proxy.
    pub no_proxy: String,
    /// The host's name.
    pub name: String,
    /// The daemon's labels.
    #[serde(deserialize_with = "null_default")]
    pub labels: Vec<String>,
    /// Experimental features are on.
    pub experimental_build: bool,
    /// The engine's version.
    pub server_version: String,
    /// Runtimes by name.
    #[serde(deserialize_with = "null_default")]
    pub runtimes: Map<Runtime>,
    /// The one that is used when none is named.
    pub default_runtime: String,
    /// Swarm.
    pub swarm: SwarmInfo,
    /// Containers outlive the daemon.
    pub live_restore_enabled: bool,
    /// Windows only; empty.
    pub isolation: String,
    /// The program behind `--init`.
    pub init_binary: String,
    /// Empty: there is no containerd.
    pub containerd_commit: Commit,
    /// The runtime's revision.
    pub runc_commit: Commit,
    /// The init's revision.
    pub init_commit: Commit,
    /// `name=seccomp,profile=builtin`, `name=cgroupns`, …
    #[serde(deserialize_with = "null_default")]
    pub security_options: Vec<String>,
    /// The licence's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub product_license: String,
    /// Where new networks come from, when set.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub default_address_pools: Vec<NetworkAddressPool>,
    /// What packets are filtered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_backend: Option<FirewallInfo>,
    /// Directories with CDI device descriptions.
    #[serde(rename = "CDISpecDirs", deserialize_with = "null_default")]
    pub cdi_spec_dirs: Vec<String>,
    /// Devices found there.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub discovered_devices: Vec<DeviceInfo>,
    /// Things the user should know; `null` if none.
    pub warnings: Option<Vec<String>>,
}

/// Names of plugins by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginsInfo {
    /// Volume drivers.
    #[serde(deserialize_with = "null_default")]
    pub volume: Vec<String>,
    /// Network drivers.
    #[serde(deserialize_with = "null_default")]
    pub network: Vec<String>,
    /// Authorization plugins; `null` if none.
    pub authorization: Option<Vec<String>>,
    /// Log drivers.
    #[serde(deserialize_with = "null_default")]
    pub log: Vec<String>,
}

/// A runtime.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// Its program.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Arguments before its command.
    #[serde(rename = "runtimeArgs", skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub args: Vec<String>,
    /// A shim's name instead of a program.
    #[serde(rename = "runtimeType", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The shim's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// What the runtime tells about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Map<String>>,
}

/// Swarm part of [`Info`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SwarmInfo {
    /// This node.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Its address.
    pub node_addr: String,
    /// `inactive`, …
    pub local_node_state: String,
    /// It is a manager.
    pub control_available: bool,
    /// What is wrong.
    pub error: String,
    /// Managers; `null` if none.
    pub remote_managers: Option<Vec<serde_json::Value>>,
}

/// A revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commit {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
}

/// A pool that networks are cut from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAddressPool {
    /// The whole, CIDR.
    pub base: String,
    /// Prefix length of each piece.
    pub size: i32,
}

/// What packets are filtered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallInfo {
    /// `nftables`, …
    pub driver: String,
    /// More about it: name, value.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub info: Vec<[String; 2]>,
}

/// A device found by a device driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceInfo {
    /// `cdi`, …
    pub source: String,
    /// `vendor.com/class=name`.
    #[serde(rename = "ID")]
    pub id: String,
}

/// Answer of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_usage: Option<image::DiskUsage>,
    /// Containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_usage: Option<container::DiskUsage>,
    /// Volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_usage: Option<volume::DiskUsage>,
    /// Build cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_cache_usage: Option<build::DiskUsage>,
}

/// Answer of `POST /system/check` (Gantry's own).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckReport {
    /// Images looked at.
    pub images: u64,
    /// Blobs that are what their digest says.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Layers compared with their blobs.
    pub layers: u64,
    /// What is wrong.
    pub faults: Vec<CheckFault>,
}

/// Something wrong in the image store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckFault {
    /// `record`, `blob`, `layer` or `container`.
    pub kind: String,
    /// Digest, key or name.
    pub name: String,
    /// What is wrong.
    pub why: String,
    /// The images that need it.
    pub images: Vec<String>,
    /// `quarantined`, `rebuilt`, `removed`, or empty.
    pub repair: String,
}
