//! What is kept on disk about a volume.

use metastore::Table;
use serde::{Deserialize, Serialize};

use crate::{LOCAL, Map};

/// Marks volumes that nobody named.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// The table of volumes, keyed by name.
pub(crate) const VOLUMES: Table<VolumeRecord> = Table::new("volume");

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    /// `local`, or a plugin's name.
    pub driver: String,
    /// `None` if none were given.
    #[serde(default)]
    pub labels: Option<Map>,
    /// The driver's options; `None` if none were given.
    #[serde(default)]
    pub options: Option<Map>,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
}

impl VolumeRecord {
    /// Nobody named it.
    pub fn is_anonymous(&self) -> bool {
        self.labels.as_ref().is_some_and(|l| l.contains_key(ANONYMOUS_LABEL))
    }

    /// The local driver's, and nothing of somebody else's mounted in it.
    pub fn is_plain_local(&self) -> bool {
        self.driver == LOCAL && self.options.as_ref().is_none_or(Map::is_empty)
    }
}

/// A volume to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Empty: an anonymous one.
    pub name: String,
    /// Empty: the local one.
    pub driver: String,
    /// The driver's options.
    pub options: Map,
    /// Labels.
    pub labels: Map,
}
