//! The runtime specification, version 1.3: what a container is, as an OCI runtime is told it in config.json.
//!
//! Plain data. Nothing is validated here beyond JSON types; unknown fields are dropped, `null` reads as absent.

mod linux;
mod process;
mod resources;
mod seccomp;
mod state;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use linux::{
    Device, IdMapping, IntelRdt, Linux, MemoryPolicy, Namespace, NamespaceType, NetDevice, Personality, TimeOffset,
};
pub use process::{Capabilities, ConsoleSize, CpuAffinity, Hook, Hooks, IoPriority, Process, Rlimit, Scheduler, User};
pub use resources::{
    BlockIo, Cpu, DeviceRule, DeviceRuleType, HugepageLimit, InterfacePriority, Memory, NetworkPriority, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};
pub use seccomp::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOp, SeccompRule};
pub use state::{ContainerProcessState, State, Status};

use crate::{is_false, nullable};

/// Version of the specification that these structs follow.
pub const VERSION: &str = "1.3.0";

/// A container, complete (config.json of a bundle).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Version of the specification (SemVer).
    pub oci_version: String,
    /// The container's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Its root file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// Host name in the UTS namespace.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// NIS domain name in the UTS namespace.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub domainname: String,
    /// Mounts in order.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Free metadata.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Linux part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

/// Root file system of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Path, relative to the bundle or absolute.
    #[serde(default, deserialize_with = "nullable")]
    pub path: String,
    /// Whether it is mounted read-only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub readonly: bool,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Absolute path inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub destination: String,
    /// File system type; `bind` for binds.
    #[serde(rename = "type", default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// Device, path or name.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Options of mount(8) fashion.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Ids of an idmapped mount.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of an idmapped mount.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}
