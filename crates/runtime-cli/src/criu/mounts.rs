//! Mounts of a container that are not its own, and how a restore finds room for all of them.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use fsroot::{Missing, Tree};
use oci::runtime::{Mount, NamespaceType, Spec};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Result, at, call};

/// Devices that every container has, which in a user namespace are the host's.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/urandom", "/dev/random"];

/// A mount of something of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Where it is in the container, links resolved.
    pub(crate) destination: String,
    /// What it is on the host.
    pub(crate) source: String,
}

fn is_bind(mount: &Mount) -> bool {
    mount.r#type == "bind" || mount.options.iter().any(|option| option == "bind" || option == "rbind")
}

/// All mounts of the host's things that a container may have.
pub(crate) fn externals(spec: &Spec, rootfs: &Path, cgroup: &cgroup::Manager) -> Result<Vec<External>> {
    let tree = open_root(rootfs)?;
    let mut found = Vec::new();
    let mut add = |destination: &Path, source: &Path| {
        let source = source.to_string_lossy().into_owned();
        found.push(External { destination: resolved(&tree, rootfs, destination), source });
    };
    let linux = spec.linux.as_ref();
    let spaces = linux.map(|linux| linux.namespaces.as_slice()).unwrap_or_default();
    let own_cgroups = cgroup.hierarchies().is_v2() || spaces.iter().any(|s| s.r#type == NamespaceType::Cgroup);
    for mount in &spec.mounts {
        let destination = Path::new("/").join(&mount.destination);
        if is_bind(mount) {
            add(&destination, Path::new(&mount.source));
        } else if mount.r#type == "cgroup" && !own_cgroups {
            // The container's own directory of each hierarchy.
            for (hierarchy, (_, dir)) in cgroup.hierarchies().v1().iter().zip(cgroup.v1_dirs()) {
                add(&destination.join(hierarchy.mount.file_name().unwrap_or_default()), &dir);
            }
        }
    }
    let devices = linux.map(|linux| linux.devices.as_slice()).unwrap_or_default();
    for path in DEVICES.into_iter().chain(devices.iter().map(|device| device.path.as_str())) {
        add(Path::new(path), Path::new(path));
    }
    Ok(found)
}

/// The files among the masked paths that a running container has.
pub(crate) fn masked_files(spec: &Spec, pid: i32) -> Result<Vec<String>> {
    let masked = spec.linux.as_ref().map(|linux| linux.masked_paths.as_slice()).unwrap_or_default();
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let tree = open_root(&root)?;
    let mut found = Vec::new();
    for path in masked {
        let file = match tree.open(Path::new(path), OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(at("open", path))?,
        };
        if !fsroot::is_dir(std::os::fd::AsFd::as_fd(&file)).map_err(at("stat", path))? {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn open_root(path: &Path) -> Result<Tree> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(Tree::new).map_err(at("open", path))
}

/// A path inside with the links on its way resolved; as it is when it does not exist.
fn resolved(tree: &Tree, root: &Path, path: &Path) -> String {
    let inside = tree.open(path, OFlags::PATH).ok().and_then(|file| {
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        let inside = real.strip_prefix(root.canonicalize().ok()?).ok()?;
        Some(Path::new("/").join(inside))
    });
    inside.unwrap_or_else(|| path.to_path_buf()).to_string_lossy().into_owned()
}

/// A mount namespace in which a container's root is a mount of its own, with room for all its mounts. This process is in
/// it until it is dropped; what is started meanwhile stays.
#[derive(Debug)]
pub(crate) struct Stage {
    home: OwnedFd,
    cwd: OwnedFd,
}

impl Stage {
    /// Enters a new one. `place` is a directory where the root is to be. For a caller with one thread.
    pub(crate) fn enter(spec: &Spec, rootfs: &Path, place: &Path) -> Result<Self> {
        let open = |path: &str, flags| {
            rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(at("open", path))
        };
        let stage = Self {
            home: open("/proc/self/ns/mnt", OFlags::RDONLY)?,
            cwd: open(".", OFlags::PATH | OFlags::DIRECTORY)?,
        };
        sys::process::unshare(sys::process::flags::NEWNS).map_err(call("unshare mount namespace"))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).map_err(at("make private", "/"))?;
        rustix::mount::mount_bind_recursive(rootfs, place).map_err(at("bind mount", rootfs))?;
        make_room(spec, place)?;
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        use std::os::fd::AsFd as _;
        let _ = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Mount));
        let _ = rustix::process::fchdir(&self.cwd);
    }
}

/// Makes the mount points that are missing, as a start does. What is to lie inside a bind is made there, so binds are in
/// place for that time.
fn make_room(spec: &Spec, root: &Path) -> Result<()> {
    let on_tmpfs = |path: &Path| {
        let is_tmpfs = |mount: &&Mount| mount.r#type == "tmpfs" && !is_bind(mount);
        let above = |mount: &Mount| path.starts_with(&mount.destination) && path != Path::new(&mount.destination);
        spec.mounts.iter().filter(is_tmpfs).any(above)
    };
    let tree = open_root(root)?;
    let mut mounted = Vec::new();
    for mount in &spec.mounts {
        let destination = Path::new("/").join(&mount.destination);
        // criu fills a tmpfs.
        if mount.r#type == "cgroup" || on_tmpfs(&destination) {
            continue;
        }
        let failed = |errno| Error::CriuMountPoint {
            path: destination.clone(),
            source: Box::new(at("mkdir", &destination)(errno)),
        };
        let is_file = is_bind(mount) && !Path::new(&mount.source).is_dir();
        let missing = if is_file { Missing::File } else { Missing::Directory };
        let target = tree.open_or_make(&destination, missing).map_err(failed)?;
        if is_bind(mount) {
            let source = rustix::mount::open_tree(
                CWD,
                Path::new(&mount.source),
                rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
                    | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
                    | rustix::mount::OpenTreeFlags::AT_RECURSIVE,
            )
            .map_err(at("open_tree", &mount.source))?;
            let flags = rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
                | rustix::mount::MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            rustix::mount::move_mount(&source, "", &target, "", flags).map_err(at("mount", &destination))?;
            mounted.push(source);
        }
    }
    for mount in mounted.iter().rev() {
        let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
        rustix::mount::unmount(&*path, UnmountFlags::DETACH).map_err(at("umount", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_hosts() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        std::fs::create_dir(root.path().join("run/data")).unwrap();
        std::fs::create_dir(root.path().join("var")).unwrap();
        std::os::unix::fs::symlink("/run", root.path().join("var/run")).unwrap();
        let text = r#"{"ociVersion": "1.0.2", "mounts": [
            {"destination": "/var/run/data", "source": "/srv", "options": ["rbind", "ro"]},
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
            {"destination": "/none", "type": "bind", "source": "/etc/x"}],
            "linux": {"devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]}}"#;
        let spec: Spec = oci::json::read(text.as_bytes()).unwrap();
        let hierarchy = cgroup::Hierarchy { controllers: vec!["pids".into()], mount: "/cg/pids".into() };
        let v1 = cgroup::Manager::new("/x", &cgroup::Hierarchies::new_v1(vec![hierarchy], None)).unwrap();
        let found = externals(&spec, root.path(), &v1).unwrap();
        let pairs: Vec<_> = found.iter().map(|e| (e.destination.as_str(), e.source.as_str())).collect();
        assert_eq!(pairs[..3], [("/run/data", "/srv"), ("/sys/fs/cgroup/pids", "/cg/pids/x"), ("/none", "/etc/x")]);
        assert!(pairs.contains(&("/dev/fuse", "/dev/fuse")) && pairs.contains(&("/dev/null", "/dev/null")));
        assert!(!pairs.iter().any(|(destination, _)| *destination == "/proc"));
    }
}
