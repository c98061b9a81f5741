//! The file systems of containers.

use id::{ContainerId, Digest};
use snapshot::Change;

use crate::unpack::unpack_now;
use crate::{Error, ImageHandle, Result, RootfsMount, Store};

/// The root file systems of containers: their read-write layers on the layers of images.
#[derive(Debug, Clone)]
pub struct Rootfs {
    store: Store,
}

impl Rootfs {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Makes the read-write layer of a container (directories only; nothing is mounted).
    ///
    /// # Errors
    /// If a layer is missing or the directories cannot be made.
    pub fn prepare_rw(&self, container: &ContainerId, image: &ImageHandle) -> Result<RootfsMount> {
        let _using = self.store.using_layers();
        let keys = self.layer_keys(image)?;
        Ok(mount(self.store.inner.snapshots.prepare_rw(container.as_str(), &keys)?))
    }

    /// The mount of a container made by [`Self::prepare_rw`] before (start after a restart of the daemon). `image`
    /// helps when a power loss took the list of layers.
    ///
    /// # Errors
    /// If the layer is not there.
    pub fn rw_mount(&self, container: &ContainerId, image: Option<&ImageHandle>) -> Result<RootfsMount> {
        let _using = self.store.using_layers();
        let keys = image.map(|i| self.layer_keys(i)).transpose()?;
        Ok(mount(self.store.inner.snapshots.rw_mount(container.as_str(), keys.as_deref())?))
    }

    /// Removes a container's layer (moved to the trash at once, reaped in the background). No error if not there.
    ///
    /// # Errors
    /// If the move fails.
    pub fn remove_rw(&self, container: &ContainerId) -> Result<()> {
        Ok(self.store.inner.snapshots.remove_rw(container.as_str())?)
    }

    /// Bytes of a container's read-write layer (`SizeRw`).
    ///
    /// # Errors
    /// If the layer cannot be read.
    pub fn rw_usage(&self, container: &ContainerId) -> Result<u64> {
        Ok(self.store.inner.snapshots.rw_usage(container.as_str())?)
    }

    /// Bytes of the unpacked layers of an image (`SizeRootFs` is this plus `SizeRw`).
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn unpacked_size(&self, manifest: &str) -> Result<u64> {
        Ok(self.store.manifest_record(manifest).map_or(0, |r| r.unpacked))
    }

    /// Removes the read-write layers whose container `is_known` does not know (start of the daemon). Gives how many.
    ///
    /// # Errors
    /// If they cannot be read or moved.
    pub fn sweep_rw(&self, is_known: impl Fn(&str) -> bool) -> Result<usize> {
        let mut n = 0;
        for name in self.store.inner.snapshots.rw_names()? {
            if !is_known(&name) {
                self.store.inner.snapshots.remove_rw(&name)?;
                n += 1;
            }
        }
        Ok(n)
    }

    fn layer_keys(&self, image: &ImageHandle) -> Result<Vec<String>> {
        let record = self.store.manifest_record(&image.manifest.digest);
        let record = record.ok_or_else(|| Error::NotFound(image.id.to_string()))?;
        if record.layers.is_empty() {
            return Ok(vec![self.empty_layer()?]);
        }
        if record.keys.len() != record.layers.len() {
            // The image is for a platform that was never unpacked here.
            return unpack_now(&self.store, &image.manifest, (*record).clone());
        }
        Ok(record.keys.clone())
    }

    /// What a container has changed in its file system (`docker diff`), sorted by path.
    ///
    /// # Errors
    /// If its layer cannot be read.
    pub fn changes(&self, container: &ContainerId) -> Result<Vec<Change>> {
        let _using = self.store.using_layers();
        Ok(self.store.inner.snapshots.changes(container.as_str())?)
    }

    /// An image without layers still needs something to lie on.
    fn empty_layer(&self) -> Result<String> {
        let key = content::Hasher::digest(b"").hex().to_owned();
        if self.store.inner.snapshots.layer(&key)?.is_none() {
            let staged = self.store.inner.snapshots.stage()?;
            self.store.inner.snapshots.publish(vec![(staged, key.clone(), snapshot::LayerInfo::default())])?;
        }
        Ok(key)
    }
}

fn mount(m: snapshot::Mount) -> RootfsMount {
    RootfsMount { lower: m.lower, upper: m.upper, work: m.work }
}

/// The chain id of the first `n` layers (OCI image specification, config.md, "Layer ChainID").
pub(crate) fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    Some(rest.iter().fold(first.clone(), |chain, diff| content::Hasher::digest(format!("{chain} {diff}").as_bytes())))
}
