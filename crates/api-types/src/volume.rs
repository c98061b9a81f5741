//! `/volumes`.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::{is_default, null_default};

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    /// RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// `local` or a plugin's name.
    pub driver: String,
    /// `null` if none were given.
    pub labels: Option<Map<String>>,
    /// Where it lies on the host.
    pub mountpoint: String,
    /// Its name.
    pub name: String,
    /// The driver's options; `null` if none were given.
    pub options: Option<Map<String>>,
    /// `local` or `global`.
    pub scope: String,
    /// What the driver tells about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
    /// Only in `GET /system/df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// How much a volume is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UsageData {
    /// Containers that use it.
    pub ref_count: i64,
    /// Bytes, -1 when not known.
    pub size: i64,
}

/// Body of `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateRequest {
    /// Not supported without Swarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_volume_spec: Option<serde_json::Value>,
    /// Empty: `local`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub driver: String,
    /// The driver's options.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_default")]
    pub driver_opts: Map<String>,
    /// Labels.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_default")]
    pub labels: Map<String>,
    /// Empty: an anonymous volume.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub name: String,
}

/// Answer of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListResponse {
    /// The volumes.
    #[serde(deserialize_with = "null_default")]
    pub volumes: Vec<Volume>,
    /// What could not be listed; `null` if nothing is wrong.
    pub warnings: Option<Vec<String>>,
}

/// Answer of `POST /volumes/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PruneReport {
    /// Names of the volumes that are gone; `null` if none.
    pub volumes_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}

/// Volume part of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Volumes in use.
    #[serde(skip_serializing_if = "is_default")]
    pub active_count: i64,
    /// The volumes (verbose only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Volume>>,
    /// Bytes that a prune would free.
    #[serde(skip_serializing_if = "is_default")]
    pub reclaimable: i64,
    /// Volumes.
    #[serde(skip_serializing_if = "is_default")]
    pub total_count: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub total_size: i64,
}
