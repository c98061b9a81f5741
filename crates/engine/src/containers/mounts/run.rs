//! Volumes while a container runs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use fsroot::Root;
use rustix::fs::{Mode, OFlags};

use super::super::actor::Actor;
use super::super::view::MountPoint;
use super::attach::{Attached, image_tree, path_of};
use super::propagation;
use crate::engine::Shared;
use crate::{Error, files};

/// The mounts of a run as the runtime gets them, with what must be kept open until it has them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) mounts: Vec<bundle::Mount>,
    /// Places within volumes. The runtime opens them by way of this process, so nobody can put something else there.
    handles: Vec<OwnedFd>,
    /// Images that are mounted.
    attached: Vec<Attached>,
}

/// Makes the sources of binds that shall be made, and looks for those of the others.
fn check_sources(points: &[MountPoint]) -> Result<(), Error> {
    for point in points.iter().filter(|p| p.kind == "bind") {
        if Path::new(&point.source).exists() {
            continue;
        }
        if !point.create_source {
            return Err(Error::Invalid(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                point.source
            )));
        }
        files::make_dir(Path::new(&point.source), 0o755).map_err(|error| match error {
            Error::Io { source, .. } => Error::Volume(format!(
                "error while creating mount source path '{}': mkdir {}: {}",
                point.source,
                point.source,
                files::go_words(&source)
            )),
            other => other,
        })?;
    }
    Ok(())
}

impl Actor {
    /// Mounts the volumes of this container (each once, however often it is used) and gives all its mounts.
    pub(in crate::containers) async fn mount_volumes(&mut self) -> Result<Held, Error> {
        self.volumes_mounted = true;
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        let points = self.record.mounts.clone();
        let work = move || -> Result<Held, Error> {
            check_sources(&points)?;
            propagation::check(&points)?;
            let mut held = Held::default();
            for point in &points {
                match point.kind.as_str() {
                    "bind" => held.mounts.push(mount(point, PathBuf::from(&point.source))?),
                    "volume" => {
                        let path = shared.volumes.mount(&point.name, id.as_str())?;
                        let source = held.place(&path, &point.subpath)?;
                        held.mounts.push(mount(point, source)?);
                        emit_mount(&shared, id.as_str(), point);
                    }
                    "image" => {
                        let attached = Attached::new(&shared, &image_tree(&shared, &id, point)?)?;
                        let source = held.place(attached.path(), &point.subpath)?;
                        held.attached.push(attached);
                        held.mounts.push(mount(point, source)?);
                    }
                    // tmpfs: the bundle makes them from the declaration.
                    _ => {}
                }
            }
            Ok(held)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Gives back the volumes of a run.
    pub(in crate::containers) async fn unmount_volumes(&mut self) {
        if !std::mem::take(&mut self.volumes_mounted) {
            return;
        }
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        let points: Vec<MountPoint> = self.record.mounts.iter().filter(|p| p.kind == "volume").cloned().collect();
        if points.is_empty() {
            return;
        }
        let work = move || {
            for point in &points {
                if let Err(error) = shared.volumes.unmount(&point.name, id.as_str()) {
                    tracing::warn!("container {}: {error}", id.short());
                    continue;
                }
                let attributes = [("driver", point.driver.clone()), ("container", id.to_string())];
                shared.emit_volume_named("unmount", &point.name, attributes);
            }
        };
        if tokio::task::spawn_blocking(work).await.is_err() {
            tracing::warn!("container {}: its volumes could not be given back", self.record.id.short());
        }
    }

    /// An earlier daemon mounted the volumes of this container.
    pub(in crate::containers) async fn adopt_volumes(&mut self) {
        let points: Vec<MountPoint> = self.record.mounts.iter().filter(|p| p.kind == "volume").cloned().collect();
        if points.is_empty() {
            return;
        }
        self.volumes_mounted = true;
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        let work = move || points.iter().for_each(|p| shared.volumes.adopt(&p.name, id.as_str()));
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

impl Held {
    /// A path within a volume, resolved once, inside it.
    fn place(&mut self, volume: &Path, subpath: &str) -> Result<PathBuf, Error> {
        if subpath.is_empty() {
            return Ok(volume.to_owned());
        }
        let missing = |e: fsroot::Error| {
            let why = match e {
                fsroot::Error::System { errno, .. } => files::go_words(&errno.into()),
                other => other.to_string(),
            };
            Error::Volume(format!("cannot access path {}: {why}", volume.join(subpath).display()))
        };
        let root = Root::open(volume).map_err(missing)?;
        let fd = root.open_inside(Path::new(subpath), OFlags::PATH, Mode::empty()).map_err(missing)?;
        let path = path_of(&fd);
        self.handles.push(fd);
        Ok(path)
    }
}

fn mount(point: &MountPoint, source: PathBuf) -> Result<bundle::Mount, Error> {
    let recursion = &point.recursion;
    let conflict = match (point.rw, recursion.read_only_off, recursion.read_only_forced) {
        (true, true, _) => Some("!ReadOnly && BindOptions.ReadOnlyNonRecursive"),
        (true, _, true) => Some("!ReadOnly && BindOptions.ReadOnlyForceRecursive"),
        (_, true, true) => Some("ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive"),
        _ => None,
    };
    if let Some(conflict) = conflict {
        return Err(Error::Volume(format!("mount options conflict: {conflict}")));
    }
    check_propagation(&source, &point.propagation)?;
    Ok(bundle::Mount {
        source,
        destination: point.destination.clone(),
        rw: point.rw,
        propagation: point.propagation.clone(),
        recursive: !recursion.off,
        read_only_recursive: match (recursion.read_only_off, recursion.read_only_forced) {
            (true, _) => bundle::ReadOnlyRecursive::No,
            (_, true) => bundle::ReadOnlyRecursive::Must,
            _ => bundle::ReadOnlyRecursive::IfPossible,
        },
    })
}

/// A mount that is to pass on what is mounted below it must lie on one that does (moby `daemon/oci_linux.go`).
fn check_propagation(source: &Path, propagation: &str) -> Result<(), Error> {
    let (tags, lacks): (&[&str], _) = match propagation {
        "shared" | "rshared" => (&["shared:"], "a shared mount"),
        "slave" | "rslave" => (&["shared:", "master:"], "a shared or slave mount"),
        _ => return Ok(()),
    };
    let table = std::fs::read_to_string("/proc/self/mountinfo").map_err(|source| Error::Io {
        op: "read",
        path: "/proc/self/mountinfo".into(),
        source,
    })?;
    let source = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let Some((place, fields)) = mount_of(&table, &source) else { return Ok(()) };
    if fields.iter().any(|field| tags.iter().any(|tag| field.starts_with(tag))) {
        return Ok(());
    }
    Err(Error::Volume(format!("path {} is mounted on {place} but it is not {lacks}", source.display())))
}

/// The mount that a path lies on, in the words of `/proc/self/mountinfo`: its place and its optional fields.
fn mount_of<'a>(table: &'a str, path: &Path) -> Option<(String, Vec<&'a str>)> {
    let lines = table.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let place = words.nth(4)?.replace("\\040", " ");
        let fields: Vec<_> = words.skip(1).take_while(|word| *word != "-").collect();
        path.starts_with(&place).then_some((place, fields))
    });
    // Of mounts on one place the last one is on top.
    lines.max_by_key(|(place, _)| place.len())
}

fn emit_mount(shared: &Shared, container: &str, point: &MountPoint) {
    let attributes = [
        ("driver", point.driver.clone()),
        ("container", container.to_owned()),
        ("destination", point.destination.clone()),
        ("read/write", point.rw.to_string()),
        ("propagation", point.propagation.clone()),
    ];
    shared.emit_volume_named("mount", &point.name, attributes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path_is_the_deepest_and_last() {
        let table = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /mnt rw shared:1 - tmpfs t rw\n\
                     3 1 0:6 / /mnt/a\\040b rw master:2 - tmpfs t rw\n4 1 0:7 / /mnt rw - tmpfs t rw\n";
        let of = |path: &str| mount_of(table, Path::new(path)).unwrap();
        assert_eq!(of("/etc"), ("/".to_owned(), vec![]));
        assert_eq!(of("/mnt/x"), ("/mnt".to_owned(), vec![]));
        assert_eq!(of("/mnt/a b/c"), ("/mnt/a b".to_owned(), vec!["master:2"]));
        assert_eq!(of("/mntx"), ("/".to_owned(), vec![]));
    }
}
