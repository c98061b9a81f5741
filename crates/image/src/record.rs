//! What the image store keeps in the metadata store.

use std::collections::BTreeMap;
use std::sync::Arc;

use id::Digest;
use metastore::Table;
use oci::image::{Descriptor, Platform};
use serde::{Deserialize, Serialize};

/// Names: normalized reference, or `moby-dangling@<digest>` → image.
pub(crate) const NAMES: Table<NameRecord> = Table::new("image.name");
/// Manifests whose content is here: digest → summary.
pub(crate) const MANIFESTS: Table<ManifestRecord> = Table::new("image.manifest");

/// Repositories that a target was pulled from or pushed to: digest → normalized names.
pub(crate) const SOURCES: Table<Vec<String>> = Table::new("image.source");

/// Label that the classic builder leaves on its steps.
pub(crate) const PARENT_LABEL: &str = "org.mobyproject.image.parent";

const DANGLING: &str = "moby-dangling@";

/// A name and what it points to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    /// The target descriptor.
    pub(crate) target: Descriptor,
    /// When the name was made (Unix nanoseconds).
    pub(crate) created: i64,
    /// When it was last set (Unix nanoseconds).
    pub(crate) updated: i64,
    /// Labels of the store (not of the image).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
}

/// A manifest, boiled down to what lists and containers need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    /// The image document.
    pub(crate) config: Digest,
    /// The platform that the document declares.
    pub(crate) platform: Platform,
    /// Its creation time (Unix nanoseconds), if it has one.
    pub(crate) created: Option<i64>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Bytes of manifest, document and layers.
    pub(crate) content: u64,
    /// Layer blobs with their uncompressed digests, lowest first.
    pub(crate) layers: Vec<LayerRecord>,
    /// Keys of the snapshots, lowest first; empty if it is not unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Bytes of the snapshots.
    #[serde(default)]
    pub(crate) unpacked: u64,
}

/// All records of manifests, by digest. Kept in memory: lists and removals look at every one.
pub(crate) type Manifests = BTreeMap<String, Arc<ManifestRecord>>;

/// A layer of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The blob.
    pub(crate) digest: Digest,
    /// Its size.
    pub(crate) size: u64,
    /// Its media type.
    pub(crate) media_type: String,
    /// Digest of the uncompressed tar.
    pub(crate) diff_id: Digest,
}

impl ManifestRecord {
    pub(crate) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|l| l.diff_id.clone()).collect()
    }
}

/// The name that keeps an image without a name.
pub(crate) fn dangling_name(digest: &str) -> String {
    format!("{DANGLING}{digest}")
}

/// Whether a name is [`dangling_name`].
pub(crate) fn is_dangling(name: &str) -> bool {
    name.starts_with(DANGLING)
}

/// Now, as records have it.
pub(crate) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// The digest of a descriptor, checked.
pub(crate) fn digest_of(d: &Descriptor) -> crate::Result<Digest> {
    d.digest
        .parse()
        .map_err(|e: id::DigestError| crate::Error::InvalidDescriptor { digest: d.digest.clone(), why: e.to_string() })
}

/// The size of a descriptor; negative is none.
pub(crate) fn size_of(d: &Descriptor) -> u64 {
    u64::try_from(d.size).unwrap_or(0)
}
