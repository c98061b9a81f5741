//! `/build/prune` and the build cache part of `/system/df`.

use serde::{Deserialize, Serialize};

/// One record of the build cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CacheRecord {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it was built on. (The space in the name is Docker's.)
    #[serde(rename = " Parents", skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// `regular`, `source.local`, `exec.cachemount`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// The build step.
    pub description: String,
    /// A running build uses it.
    pub in_use: bool,
    /// An image uses its bytes too.
    pub shared: bool,
    /// Bytes.
    pub size: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
    /// How often it was used.
    pub usage_count: i64,
}

/// Build cache part of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Records in use.
    #[serde(skip_serializing_if = "crate::rules::is_default")]
    pub active_count: i64,
    /// The records (verbose only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<CacheRecord>>,
    /// Bytes that a prune would free.
    #[serde(skip_serializing_if = "crate::rules::is_default")]
    pub reclaimable: i64,
    /// Records.
    #[serde(skip_serializing_if = "crate::rules::is_default")]
    pub total_count: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "crate::rules::is_default")]
    pub total_size: i64,
}

/// Answer of `POST /build/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PruneReport {
    /// Records that are gone; `null` if none.
    pub caches_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}
