//! `/images`.

use oci::image::{Descriptor, ImageConfig, Platform};
use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::{is_default, null_default};

/// One row of `GET /images/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    /// Containers that use it; -1 when not counted.
    pub containers: i64,
    /// Unix seconds.
    pub created: i64,
    /// Digest of the target.
    pub id: String,
    /// `null` if it has none.
    pub labels: Option<Map<String>>,
    /// Empty with this kind of store.
    pub parent_id: String,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// What the index holds (`manifests=1` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ManifestSummary>>,
    /// `name@digest`.
    #[serde(deserialize_with = "null_default")]
    pub repo_digests: Vec<String>,
    /// `name:tag`.
    #[serde(deserialize_with = "null_default")]
    pub repo_tags: Vec<String>,
    /// Bytes shared with other images; -1 when not computed.
    pub shared_size: i64,
    /// Bytes.
    pub size: i64,
}

/// One manifest of an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManifestSummary {
    /// Its digest.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// All of it is here.
    pub available: bool,
    /// Bytes.
    pub size: ManifestSize,
    /// `image`, `attestation` or `unknown`.
    pub kind: String,
    /// If it is an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_data: Option<ImageProperties>,
    /// If it is an attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation_data: Option<AttestationProperties>,
}

/// Bytes of a manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManifestSize {
    /// Blobs.
    pub content: i64,
    /// Blobs and unpacked files.
    pub total: i64,
}

/// The image part of a [`ManifestSummary`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageProperties {
    /// What it runs on.
    pub platform: Platform,
    /// Bytes.
    pub size: ImagePropertiesSize,
    /// Containers made from it.
    #[serde(deserialize_with = "null_default")]
    pub containers: Vec<String>,
}

/// Bytes of [`ImageProperties`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImagePropertiesSize {
    /// Unpacked files.
    pub unpacked: i64,
}

/// The attestation part of a [`ManifestSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttestationProperties {
    /// Digest of the manifest it is about.
    #[serde(rename = "For")]
    pub subject: String,
}

/// Answer of `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInspect {
    /// Digest of the target.
    pub id: String,
    /// `name:tag`.
    #[serde(deserialize_with = "null_default")]
    pub repo_tags: Vec<String>,
    /// `name@digest`.
    #[serde(deserialize_with = "null_default")]
    pub repo_digests: Vec<String>,
    /// What was said when it was committed or imported.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub comment: String,
    /// RFC 3339; absent when the image does not tell.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub created: String,
    /// Who made it.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub author: String,
    /// The image's own configuration: only what it really says (`omitempty` everywhere).
    pub config: Option<ImageConfig>,
    /// `amd64`, …
    pub architecture: String,
    /// `v8`, …
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub variant: String,
    /// `linux`.
    pub os: String,
    /// Windows' build number.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub os_version: String,
    /// Bytes.
    pub size: i64,
    /// The storage driver's data (stores with graph drivers only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_driver: Option<crate::container::DriverData>,
    /// Layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// What the engine knows beside the image.
    pub metadata: Metadata,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// What the index holds (`manifests=1` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ManifestSummary>>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// One in-toto statement about an image (`GET /images/{name}/attestations`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttestationStatement {
    /// The blob.
    pub descriptor: Descriptor,
    /// URI of the predicate's kind.
    pub predicate_type: String,
    /// The statement as it was written, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Box<serde_json::value::RawValue>>,
}

/// Where an image came from (`Identity` of inspect).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Identity {
    /// The repositories it was pulled from, or pushed to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull: Vec<PullIdentity>,
}

/// A repository of an [`Identity`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PullIdentity {
    /// Its whole name.
    pub repository: String,
}

/// Layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "Type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Digests of the uncompressed layers, lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_default")]
    pub layers: Vec<String>,
}

/// What the engine knows about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metadata {
    /// RFC 3339; year 1 when it never was tagged here.
    pub last_tag_time: String,
}

/// One row of `GET /images/{name}/history`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryItem {
    /// A remark.
    pub comment: String,
    /// Unix seconds.
    pub created: i64,
    /// The build step.
    pub created_by: String,
    /// The image's id on the newest row, else `<missing>`.
    pub id: String,
    /// Bytes the step added.
    pub size: i64,
    /// Tags of the newest row; `null` elsewhere.
    pub tags: Option<Vec<String>>,
}

/// One line of `DELETE /images/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteItem {
    /// The id of what is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deleted: String,
    /// The name that is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub untagged: String,
}

/// Answer of `POST /images/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PruneReport {
    /// What is gone; `null` if nothing.
    pub images_deleted: Option<Vec<DeleteItem>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}

/// Image part of `GET /system/df`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Images that containers use.
    #[serde(skip_serializing_if = "is_default")]
    pub active_count: i64,
    /// The images (verbose only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ImageSummary>>,
    /// Bytes that a prune would free.
    #[serde(skip_serializing_if = "is_default")]
    pub reclaimable: i64,
    /// Images.
    #[serde(skip_serializing_if = "is_default")]
    pub total_count: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub total_size: i64,
}
