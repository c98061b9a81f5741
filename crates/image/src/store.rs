use std::path::{Path, PathBuf};
use std::sync::Arc;

use id::{ContainerId, Digest, Reference};
use metastore::Db;
use oci::image::Platform;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    DiskUsage, Error, HistoryItem, ImageHandle, ImageSummary, ImageView, ListFilter, ProgressSink, PruneReport,
    Removed, Result,
};

/// Where and how the store works.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The engine's data-root (absolute, free of symlinks).
    pub data_root: PathBuf,
    /// Layers fetched at once (`max-concurrent-downloads`, Docker's default is 3).
    pub max_concurrent_downloads: usize,
}

/// The image store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

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
    /// The platform manifest it was made from.
    pub manifest: Option<Digest>,
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

impl Store {
    /// Opens (and makes) the store below `config.data_root`; sweeps what a crash left behind.
    ///
    /// # Errors
    /// If the directories cannot be made or the records cannot be read.
    pub fn open(_config: StoreConfig, _meta: Arc<Db>) -> Result<Self> {
        Ok(Self {})
    }

    /// Finds an image by name, `name@digest`, id or id prefix, and its manifest for `platform` (the host's if `None`).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`], [`Error::PlatformNotFound`], [`Error::Reference`].
    pub fn resolve(&self, reference: &str, _platform: Option<&Platform>) -> Result<ImageHandle> {
        Err(Error::NotFound(reference.to_owned()))
    }

    /// The data of `docker image inspect`.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn inspect(&self, reference: &str, _platform: Option<&Platform>) -> Result<ImageView> {
        Err(Error::NotFound(reference.to_owned()))
    }

    /// The data of `docker image ls`, newest first. `all` shows the classic builder's intermediate images too.
    ///
    /// # Errors
    /// As [`Self::resolve`] for the images named in `before` and `since`.
    pub fn list(&self, _filter: &ListFilter, _all: bool, _shared_size: bool) -> Result<Vec<ImageSummary>> {
        Ok(Vec::new())
    }

    /// The data of `docker image history`, newest first.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn history(&self, reference: &str, _platform: Option<&Platform>) -> Result<Vec<HistoryItem>> {
        Err(Error::NotFound(reference.to_owned()))
    }

    /// Gives an image one more name; a name that pointed elsewhere leaves its old image dangling.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn tag(&self, reference: &str, _new: &Reference) -> Result<Digest> {
        Err(Error::NotFound(reference.to_owned()))
    }

    /// Removes a name, or an image with all of its names, and then what nothing refers to any more.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is in use, and as [`Self::resolve`].
    pub async fn remove(&self, reference: &str, _options: RemoveOptions, _in_use: &dyn InUse) -> Result<Vec<Removed>> {
        Err(Error::NotFound(reference.to_owned()))
    }

    /// Removes dangling images (all unused ones with `dangling=false`) that pass the filter.
    ///
    /// # Errors
    /// If the records cannot be written.
    pub async fn prune(&self, _filter: &ListFilter, _in_use: &dyn InUse) -> Result<PruneReport> {
        Ok(PruneReport::default())
    }

    /// Makes the read-write layer of a container (directories only; nothing is mounted).
    ///
    /// # Errors
    /// If a layer is missing or the directories cannot be made.
    pub fn prepare_rw(&self, _container: &ContainerId, image: &ImageHandle) -> Result<RootfsMount> {
        Err(Error::NotFound(image.id.to_string()))
    }

    /// The mount of a container made by [`Self::prepare_rw`] before (start after a restart of the daemon).
    ///
    /// # Errors
    /// If the layer is not there.
    pub fn rw_mount(&self, container: &ContainerId, _image: Option<&ImageHandle>) -> Result<RootfsMount> {
        Err(Error::NotFound(container.to_string()))
    }

    /// Removes a container's layer (moved to the trash at once, reaped in the background). No error if not there.
    ///
    /// # Errors
    /// If the move fails.
    pub fn remove_rw(&self, _container: &ContainerId) -> Result<()> {
        Ok(())
    }

    /// Bytes of a container's read-write layer (`SizeRw`) and of its image (`SizeRootFs` minus `SizeRw`).
    ///
    /// # Errors
    /// If the layer cannot be read.
    pub fn rw_usage(&self, _container: &ContainerId) -> Result<u64> {
        Ok(0)
    }

    /// Loads the images of a docker-archive or OCI layout tar (plain, gzip, zstd).
    ///
    /// # Errors
    /// A broken or hostile archive, a full disk.
    pub async fn load<R>(&self, _input: R, _load: Load, _progress: ProgressSink) -> Result<Vec<Loaded>>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        Ok(Vec::new())
    }

    /// [`Self::load`] for callers without a runtime: from memory or a file, on this thread.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_blocking(&self, _input: &mut (dyn std::io::Read + Send), _load: &Load) -> Result<Vec<Loaded>> {
        Ok(Vec::new())
    }

    /// Makes an image of one layer from a root file system tar.
    ///
    /// # Errors
    /// A broken archive, a wrong change, a full disk.
    pub async fn import<R>(&self, _input: R, _import: Import) -> Result<Digest>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        Err(Error::Cancelled)
    }

    /// Writes images as a tar that is an OCI layout and a docker-archive at once. Gives the ids saved.
    ///
    /// # Errors
    /// As [`Self::resolve`], and when the writer fails.
    pub async fn save<W>(&self, _save: Save, _output: W) -> Result<Vec<Digest>>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Ok(Vec::new())
    }

    /// Bytes on disk of all images.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        Ok(DiskUsage::default())
    }

    /// The number of images (for `info`).
    pub fn count(&self) -> usize {
        0
    }

    /// The directory of the store.
    pub fn data_root(&self) -> &Path {
        Path::new("/")
    }
}
