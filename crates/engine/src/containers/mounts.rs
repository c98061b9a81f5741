//! From what the user declares (`Binds`, `Mounts`, `VolumesFrom`, `Volumes`) to mount points.

mod attach;
mod declare;
mod fill;
mod images;
mod propagation;
mod run;

use id::ContainerId;
use spec::ContainerSpec;
use units::volume::VolumesFrom;
use volume::{LOCAL, NewVolume};

use super::view::MountPoint;
use crate::Error;
use crate::engine::Shared;

pub(crate) use attach::{sweep, whole_tree};
pub(crate) use images::{layer_ids, release as release_images};
pub(crate) use run::Held;

/// A mount point, and the volume that must be there for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    point: MountPoint,
    volume: Option<NewVolume>,
}

/// The mount points of a container that is just being made. Volumes are made on the way, and held for the container; if it
/// comes to nothing, [`Points::undo`] removes what nobody named.
#[derive(Debug)]
pub(crate) struct Points {
    id: ContainerId,
    pub(crate) all: Vec<MountPoint>,
    /// Anonymous volumes that were made for it.
    made: Vec<String>,
}

impl Points {
    /// Resolves what is declared: other containers' mounts first, what the container itself wants instead of them.
    pub(crate) fn resolve(shared: &Shared, id: &ContainerId, spec: &ContainerSpec) -> Result<Self, Error> {
        let wanted = declare::wanted(spec)?;
        let mut points = Self { id: id.clone(), all: Vec::new(), made: Vec::new() };
        let done = points.take_from_others(shared, spec).and_then(|()| {
            wanted.into_iter().try_for_each(|w| {
                let point = points.with_volume(shared, w)?;
                points.put(point);
                Ok(())
            })
        });
        match done {
            Ok(()) => Ok(points),
            Err(error) => {
                points.undo(shared);
                Err(error)
            }
        }
    }

    /// Puts a point in the place of one with the same destination.
    fn put(&mut self, point: MountPoint) {
        self.all.retain(|p| p.destination != point.destination);
        self.all.push(point);
    }

    fn take_from_others(&mut self, shared: &Shared, spec: &ContainerSpec) -> Result<(), Error> {
        for from in spec.host.volumes_from.iter().flatten() {
            let from = VolumesFrom::parse(from).map_err(|e| Error::Invalid(e.to_string()))?;
            let other = shared.containers.find(&from.container).map_err(|e| Error::Invalid(e.to_string()))?;
            for point in &other.view().mounts {
                if point.kind == "volume" {
                    shared.volumes.hold(&point.name, self.id.as_str())?;
                }
                if point.kind == "image" {
                    let again = MountPoint { source: point.name.clone(), ..point.clone() };
                    let again = self.with_image(shared, again)?;
                    self.put(again);
                    continue;
                }
                self.put(MountPoint { rw: point.rw && !from.read_only, copy: false, ..point.clone() });
            }
        }
        Ok(())
    }

    fn with_volume(&mut self, shared: &Shared, wanted: Wanted) -> Result<MountPoint, Error> {
        let Wanted { mut point, volume } = wanted;
        if point.kind == "image" {
            return self.with_image(shared, point);
        }
        let Some(volume) = volume else { return Ok(point) };
        let anonymous = volume.name.is_empty();
        let made = shared.volumes.create(volume, Some(self.id.as_str()))?;
        if made.created {
            shared.emit_volume("create", &made.volume, []);
        }
        if anonymous {
            self.made.push(made.volume.name.clone());
        }
        point.anonymous = anonymous;
        point.source = shared.volumes.mountpoint(&made.volume).display().to_string();
        point.name.clone_from(&made.volume.name);
        point.driver.clone_from(&made.volume.driver);
        Ok(point)
    }

    /// An anonymous volume for one of `Config.Volumes`.
    fn declared_volumes(&mut self, shared: &Shared, spec: &ContainerSpec, destination: &str) -> Result<(), Error> {
        let volume = NewVolume { driver: spec.host.volume_driver.clone(), ..NewVolume::default() };
        let point = MountPoint {
            kind: "volume".to_owned(),
            destination: destination.to_owned(),
            rw: true,
            copy: true,
            ..MountPoint::default()
        };
        let point = self.with_volume(shared, Wanted { point, volume: Some(volume) })?;
        self.put(point);
        Ok(())
    }

    /// The container is made: its record counts from now on.
    pub(crate) fn keep(&self, shared: &Shared) {
        shared.volumes.release(self.id.as_str());
    }

    /// The container is not made.
    pub(crate) fn undo(&self, shared: &Shared) {
        shared.volumes.release(self.id.as_str());
        images::release(shared, &self.id, &self.all);
        for name in &self.made {
            remove_anonymous(shared, name, &self.id);
        }
    }
}

/// Removes a volume that nobody named, unless some other container uses it.
pub(crate) fn remove_anonymous(shared: &Shared, name: &str, except: &ContainerId) {
    match shared.volumes.remove(name, false, || shared.volume_users(name, Some(except))) {
        Ok(volume) => shared.emit_volume("destroy", &volume, []),
        Err(volume::Error { cause: volume::Cause::InUse(_) | volume::Cause::NotFound, .. }) => {}
        Err(error) => tracing::warn!("container {}: {error}", except.short()),
    }
}

/// How Docker shows the mode of a volume that the local driver made.
fn shown_mode(mode: &str, driver: &str) -> String {
    if mode.is_empty() && (driver.is_empty() || driver == LOCAL) { "z".to_owned() } else { mode.to_owned() }
}
