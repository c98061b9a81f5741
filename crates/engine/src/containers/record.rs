//! What is kept on disk about a container.

use container::{Health, State};
use id::{ContainerId, Digest};
use metastore::Table;
use oci::image::{Descriptor, Platform};
use serde::{Deserialize, Serialize};
use spec::ContainerSpec;

use super::view::MountPoint;

/// The table of containers, keyed by id.
pub(crate) const CONTAINERS: Table<ContainerRecord> = Table::new("container");

/// One container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContainerRecord {
    pub id: ContainerId,
    /// Without a slash.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// With the image's defaults filled in.
    pub spec: ContainerSpec,
    pub image: ImageRecord,
    pub state: State,
    pub mounts: Vec<MountPoint>,
    /// What the health check says, once it has been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Legacy links to other containers.
    #[serde(default, skip_serializing_if = "super::Links::is_empty")]
    pub links: super::Links,
    /// It is going, and its anonymous volumes go with it.
    #[serde(default)]
    pub remove_volumes: bool,
}

/// Which image a container was made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Digest of the target.
    pub id: Digest,
    /// The manifest that was chosen.
    pub manifest: Descriptor,
    pub platform: Platform,
}

impl ContainerRecord {
    /// Program and arguments as they will run.
    pub(crate) fn command(&self) -> (String, Vec<String>) {
        let config = &self.spec.config;
        let entrypoint = config.entrypoint.iter().flatten();
        let mut words = entrypoint.chain(config.cmd.iter().flatten()).cloned();
        (words.next().unwrap_or_default(), words.collect())
    }
}
