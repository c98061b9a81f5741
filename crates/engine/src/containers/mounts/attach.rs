//! Mounts of the daemon's own that last for a moment: something must have a path until somebody else has taken it over.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fsroot::Root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};
use sys::mount::{MountAttr, attr, mount_setattr, propagation};

use super::super::view::MountPoint;
use super::images::layer_id;
use crate::containers::ContainerView;
use crate::engine::Shared;
use crate::{Error, files};

/// A mount below the exec-root; it goes when this goes.
#[derive(Debug)]
pub(crate) struct Attached {
    path: PathBuf,
}

fn failed(op: &'static str, path: &Path) -> impl FnOnce(Errno) -> Error {
    let path = path.to_owned();
    move |errno| Error::Io { op, path, source: errno.into() }
}

fn directory(shared: &Shared) -> PathBuf {
    shared.config.exec_root.join("mounts")
}

impl Attached {
    /// Gives a detached mount a path.
    pub(crate) fn new(shared: &Shared, tree: &OwnedFd) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let parent = directory(shared);
        files::make_dir(&parent, 0o700)?;
        let path = parent.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        files::make_dir(&path, 0o700)?;
        let this = Self { path };
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(tree, "", rustix::fs::CWD, &this.path, flags).map_err(failed("mount", &this.path))?;
        Ok(this)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        if let Err(error) = std::fs::remove_dir(&self.path) {
            tracing::warn!("{}: {error}", self.path.display());
        }
    }
}

/// Takes away what a daemon that crashed left.
pub(crate) fn sweep(shared: &Shared) {
    for entry in std::fs::read_dir(directory(shared)).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        if let Err(error) = std::fs::remove_dir(&path) {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}

/// The files of a container that does not run, with everything that would be mounted in it: a mount that is attached nowhere
/// and goes with its descriptor.
pub(crate) fn whole_tree(shared: &Shared, view: &ContainerView, root: OwnedFd) -> Result<Root, Error> {
    let attached = Attached::new(shared, &root)?;
    let inside = Root::from_fd(root);
    let holder = format!("{}-files", view.id);
    let mut points: Vec<&MountPoint> = view.mounts.iter().collect();
    points.sort_by_key(|p| p.destination.split('/').filter(|part| !part.is_empty()).count());
    for point in points {
        let placed = place(shared, view, point, &inside, attached.path(), &holder);
        if point.kind == "volume"
            && let Err(error) = shared.volumes.unmount(&point.name, &holder)
        {
            tracing::warn!("container {}: {error}", view.id.short());
        }
        placed?;
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let whole = open_tree(rustix::fs::CWD, attached.path(), flags).map_err(failed("open", attached.path()))?;
    Ok(Root::from_fd(whole))
}

fn place(
    shared: &Shared,
    view: &ContainerView,
    point: &MountPoint,
    inside: &Root,
    shown: &Path,
    holder: &str,
) -> Result<(), Error> {
    let image;
    let path = match point.kind.as_str() {
        "image" => {
            image = Attached::new(shared, &image_tree(shared, &view.id, point)?)?;
            image.path().to_owned()
        }
        "bind" => PathBuf::from(&point.source),
        "volume" => shared.volumes.mount(&point.name, holder)?,
        // A tmpfs has nothing in it while nobody runs.
        _ => return Ok(()),
    };
    let source = if point.subpath.is_empty() {
        path
    } else {
        let root = Root::open(&path).map_err(|e| Error::Volume(e.to_string()))?;
        let fd = root
            .open_inside(Path::new(&point.subpath), OFlags::PATH, Mode::empty())
            .map_err(|e| Error::Volume(e.to_string()))?;
        return put(&clone_of(&fd, "", point)?, point, inside, shown);
    };
    if !source.exists() {
        return Ok(());
    }
    let fd =
        rustix::fs::open(&source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed("open", &source))?;
    put(&clone_of(&fd, "", point)?, point, inside, shown)
}

fn clone_of(fd: &OwnedFd, path: &str, point: &MountPoint) -> Result<OwnedFd, Error> {
    let error = || failed("mount", Path::new(&point.destination));
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if !point.recursion.off {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(fd, path, flags).map_err(error())?;
    let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
    mount_setattr(tree.as_fd(), c"", true, &private).map_err(error())?;
    if !point.rw {
        let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        mount_setattr(tree.as_fd(), c"", !point.recursion.read_only_off, &read_only).map_err(error())?;
    }
    Ok(tree)
}

/// Puts a mount at its destination inside the container's root, which is made if it is not there. (The descriptor of the
/// root is that of a mount which is attached by now.)
fn put(tree: &OwnedFd, point: &MountPoint, inside: &Root, shown: &Path) -> Result<(), Error> {
    let place = shown.join(point.destination.trim_start_matches('/'));
    let error = || failed("mount", &place);
    let destination = Path::new(&point.destination);
    let stat = rustix::fs::statat(tree, "", AtFlags::EMPTY_PATH).map_err(error())?;
    let target = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        inside.make_dir_all(destination, Mode::from_raw_mode(0o755))
    } else {
        let parent = destination.parent().unwrap_or(Path::new("/"));
        inside.make_dir_all(parent, Mode::from_raw_mode(0o755)).and_then(|_| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
            match inside.open_inside(destination, OFlags::PATH, Mode::empty()) {
                Err(e) if e.is_not_found() => {
                    inside.open_inside(destination, flags | OFlags::EXCL, Mode::from_raw_mode(0o644))?;
                    inside.open_inside(destination, OFlags::PATH, Mode::empty())
                }
                other => other,
            }
        })
    };
    let target = target.map_err(|e| Error::Volume(e.to_string()))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", &target, "", flags).map_err(error())
}

/// The files of an image mount as a read-only mount that is attached nowhere.
pub(super) fn image_tree(shared: &Shared, view: &id::ContainerId, point: &MountPoint) -> Result<OwnedFd, Error> {
    let layers = shared.images.rootfs().rw_mount(&layer_id(view, &point.destination)?, None)?;
    let path = layers.upper.clone();
    crate::containers::tree::read_only(&layers).map_err(failed("mount", &path))
}

/// Path of a descriptor of this process, for others on this machine that may look at it.
pub(super) fn path_of(fd: &OwnedFd) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()).into()
}
