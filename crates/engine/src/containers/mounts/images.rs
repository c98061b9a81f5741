//! Images as mounts: the files of an image, read-only, at a place in a container.
//!
//! Each has a read-write layer of its own that nobody writes to: it keeps the image's layers from being swept.

use content::Hasher;
use id::ContainerId;

use super::super::view::MountPoint;
use super::Points;
use crate::Error;
use crate::engine::Shared;

/// The name under which the layers for an image mount are kept: derived, so that nothing needs to remember it.
pub(crate) fn layer_id(container: &ContainerId, destination: &str) -> Result<ContainerId, Error> {
    let digest = Hasher::digest(format!("{container} image mount {destination}").as_bytes());
    digest.hex().parse().map_err(|_| Error::Volume(format!("no name for the layers at {destination}")))
}

/// The layers of all image mounts of a container.
pub(crate) fn layer_ids(container: &ContainerId, points: &[MountPoint]) -> Vec<ContainerId> {
    let images = points.iter().filter(|p| p.kind == "image");
    images.filter_map(|p| layer_id(container, &p.destination).ok()).collect()
}

/// Gives up the layers of all image mounts of a container.
pub(crate) fn release(shared: &Shared, container: &ContainerId, points: &[MountPoint]) {
    for layer in layer_ids(container, points) {
        if let Err(error) = shared.images.rootfs().remove_rw(&layer) {
            tracing::warn!("container {}: layers of an image mount: {error}", container.short());
        }
    }
}

impl Points {
    /// Finds the image and takes hold of its layers.
    pub(super) fn with_image(&self, shared: &Shared, mut point: MountPoint) -> Result<MountPoint, Error> {
        let image = shared.images.resolve(&point.source, None)?;
        let layers = shared.images.rootfs().prepare_rw(&layer_id(&self.id, &point.destination)?, &image)?;
        point.name = std::mem::take(&mut point.source);
        point.image = Some(image.id);
        point.source = layers.upper.display().to_string();
        Ok(point)
    }
}
