use std::path::PathBuf;

use id::{ContainerId, Digest, Reference};
use oci::image::Platform;

/// Where and how the store works.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The engine's data-root (absolute, free of symlinks).
    pub data_root: PathBuf,
    /// Layers fetched at once (`max-concurrent-downloads`, Docker's default is 3).
    pub max_concurrent_downloads: usize,
}

/// What a container keeps in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The container.
    pub container: ContainerId,
    /// Whether it runs.
    pub running: bool,
    /// The image reference its creator typed.
    pub reference: String,
    /// The image id it was made from.
    pub image: Digest,
    /// Digest of the platform manifest it was made from.
    pub manifest: Option<String>,
}

/// The engine's answer to "who uses images".
pub trait InUse: Send + Sync {
    /// All containers, whatever their state.
    fn uses(&self) -> Vec<Use>;
}

/// Nobody uses anything (tests).
#[derive(Debug, Clone, Copy)]
pub struct NoneInUse;

impl InUse for NoneInUse {
    fn uses(&self) -> Vec<Use> {
        Vec::new()
    }
}

/// The directories of a container's root file system, for an overlay mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootfsMount {
    /// Read-only layers, topmost first. Never empty.
    pub lower: Vec<PathBuf>,
    /// The container's own layer.
    pub upper: PathBuf,
    /// Overlayfs' work directory.
    pub work: PathBuf,
}

/// How to pull.
#[derive(Debug, Clone)]
pub struct Pull {
    /// What (a name without tag and digest is made `:latest`).
    pub reference: Reference,
    /// For which platform; the host's if `None`.
    pub platform: Option<Platform>,
    /// The credentials of the request, if any.
    pub auth: Option<registry_client::Credentials>,
}

/// What a pull brought.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The image id.
    pub id: Digest,
    /// Whether the name points elsewhere than before.
    pub newer: bool,
}

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Keep only these platforms (all if empty).
    pub platforms: Vec<Platform>,
}

/// One image that a load brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// Its familiar name, if the archive names it.
    pub name: Option<String>,
}

/// How to import a root file system as an image.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The name to give.
    pub reference: Option<Reference>,
    /// The platform to write down; the host's if `None`.
    pub platform: Option<Platform>,
    /// The history comment.
    pub message: String,
    /// Dockerfile instructions that change the config.
    pub changes: Vec<String>,
}

/// How to save.
#[derive(Debug, Clone, Default)]
pub struct Save {
    /// Names or ids.
    pub names: Vec<String>,
    /// Only these platforms (all that are here if empty).
    pub platforms: Vec<Platform>,
}

/// How to remove.
#[derive(Debug, Clone, Default)]
pub struct RemoveOptions {
    /// Also with soft conflicts.
    pub force: bool,
    /// Keep untagged parents (`noprune`).
    pub no_prune: bool,
    /// Remove only these platforms' content.
    pub platforms: Vec<Platform>,
}

/// How to push.
#[derive(Debug, Clone)]
pub struct Push {
    /// What; a name without tag and digest means all of its tags.
    pub reference: Reference,
    /// Only this platform's manifest.
    pub platform: Option<Platform>,
    /// The credentials of the request, if any.
    pub auth: Option<registry_client::Credentials>,
}

/// What a push brought to the registry.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Under which name.
    pub reference: Reference,
    /// What was pushed.
    pub descriptor: oci::image::Descriptor,
    /// The index that was not pushed because not all of it is here (the client is told by an `aux` message
    /// `{"manifestPushedInsteadOfIndex":true,"originalIndex":…,"selectedManifest":…}`).
    pub instead_of: Option<oci::image::Descriptor>,
}
