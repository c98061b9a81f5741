use std::collections::BTreeMap;
use std::sync::Arc;

use id::Digest;
use oci::image::{Descriptor, Image as ImageDocument, Platform};

/// One platform's image, resolved: what a container is made from.
#[derive(Debug, Clone)]
pub struct ImageHandle {
    /// The image id: digest of the target descriptor (index or manifest).
    pub id: Digest,
    /// The manifest chosen for the platform, with its platform filled in.
    pub manifest: Descriptor,
    /// The image document (config, rootfs, history) of that manifest.
    pub document: Arc<ImageDocument>,
    /// The platform of the document.
    pub platform: Platform,
    /// Digests of the uncompressed layers, bottom first.
    pub diff_ids: Vec<Digest>,
    /// The normalized name under which it was found, if it was found by name.
    pub name: Option<String>,
}

/// `GET /images/{name}/json`, as data.
#[derive(Debug, Clone)]
pub struct ImageView {
    /// The image id.
    pub id: Digest,
    /// The target descriptor (that of the platform's manifest if a platform was asked for).
    pub descriptor: Descriptor,
    /// Familiar names, `busybox:latest`.
    pub repo_tags: Vec<String>,
    /// Familiar digested names, `busybox@sha256:…`.
    pub repo_digests: Vec<String>,
    /// Content plus unpacked size of the best platform, in bytes.
    pub size: u64,
    /// When a name was last set (Unix nanoseconds).
    pub last_tag_time: i128,
    /// Classic builder's parent.
    pub parent: Option<Digest>,
    /// Author, created, config, os, architecture, rootfs, history: of the best platform; `None` if none is here.
    pub document: Option<Arc<ImageDocument>>,
    /// All manifests of the target (always filled; the API shows them on demand).
    pub manifests: Vec<ManifestSummary>,
    /// Repositories that the image was pulled from or pushed to.
    pub sources: Vec<String>,
}

/// One entry of `GET /images/json`.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// The image id.
    pub id: Digest,
    /// Classic builder's parent.
    pub parent: Option<Digest>,
    /// Familiar names; empty for a dangling image.
    pub repo_tags: Vec<String>,
    /// Familiar digested names; empty for a dangling image.
    pub repo_digests: Vec<String>,
    /// Creation time from the image document (Unix seconds; 0 if not there).
    pub created: i64,
    /// Content plus unpacked bytes over all platforms.
    pub size: u64,
    /// Bytes shared with other images, if asked for.
    pub shared_size: Option<u64>,
    /// Labels of the image document.
    pub labels: BTreeMap<String, String>,
    /// The target descriptor.
    pub descriptor: Descriptor,
    /// All manifests of the target.
    pub manifests: Vec<ManifestSummary>,
}

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestKind {
    /// An image for one platform.
    Image {
        /// Which.
        platform: Platform,
        /// Bytes of the unpacked layers.
        unpacked: u64,
    },
    /// `attestation-manifest` for another manifest.
    Attestation {
        /// The manifest it speaks about.
        subject: Digest,
    },
    /// Something else.
    Unknown,
}

/// One manifest of an image (`ImageManifestSummary`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSummary {
    /// Its descriptor as the index has it.
    pub descriptor: Descriptor,
    /// Whether all of its content is here.
    pub available: bool,
    /// Bytes of its blobs that are here.
    pub content_size: u64,
    /// What it is.
    pub kind: ManifestKind,
}

/// One line of `GET /images/{name}/history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// The image id for the newest entry, else `<missing>`.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The instruction.
    pub created_by: String,
    /// Names (newest entry only).
    pub tags: Vec<String>,
    /// Unpacked bytes of the layer.
    pub size: u64,
    /// The comment.
    pub comment: String,
}

/// One line of what a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// This name is gone (familiar form).
    Untagged(String),
    /// This image id is gone.
    Deleted(Digest),
}

/// What a prune did.
#[derive(Debug, Clone, Default)]
pub struct PruneReport {
    /// In order.
    pub removed: Vec<Removed>,
    /// Bytes given back (content and unpacked).
    pub reclaimed: u64,
}

/// Bytes on disk of the whole image store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Compressed blobs, manifests, configs.
    pub content: u64,
    /// Unpacked layers.
    pub unpacked: u64,
    /// Partial downloads.
    pub partial: u64,
}
