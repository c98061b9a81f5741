//! State of a container as runtimes and hooks exchange it (runtime-spec runtime.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::nullable;

/// What `runc state` prints and hooks read on stdin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification.
    #[serde(default, deserialize_with = "nullable")]
    pub oci_version: String,
    /// Container.
    #[serde(default, deserialize_with = "nullable")]
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Process id of the init, in the reader's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Bundle directory.
    #[serde(default, deserialize_with = "nullable")]
    pub bundle: String,
    /// Annotations of the spec.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What goes to the listener of a system call filter, together with descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// Version of the specification.
    pub oci_version: String,
    /// Names of the descriptors, in their order.
    pub fds: Vec<String>,
    /// The process, in the runtime's namespace.
    pub pid: i32,
    /// `listenerMetadata` of the profile.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// The container.
    pub state: State,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being created.
    Creating,
    /// Created, the user's program not started.
    Created,
    /// Running.
    Running,
    /// Frozen (an extension of runc).
    Paused,
    /// Its process has ended.
    Stopped,
}
