//! Mounts, prepared by the shim: what comes from the host is opened here, as detached mounts that nobody else sees,
//! before the container exists. The child only puts them in place.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use oci::runtime::Mount;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};
use shim_proto::{Rootfs, Step};
use sys::mount::{MountAttr, attr, mount_setattr, propagation};

use crate::failure::{Context as _, Failure, Result, quoted};
use crate::foreign;
use crate::options::Options;
use crate::tree::is_dir;

/// One mount, ready to be put in place.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Where, inside the container.
    pub(crate) destination: PathBuf,
    /// As the spec names it, for messages.
    pub(crate) source: String,
    /// Its options.
    pub(crate) options: Options,
    /// What.
    pub(crate) kind: Kind,
}

/// What is mounted.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Part of the host's tree, detached; a directory or a file.
    Bind {
        /// The detached mount.
        tree: OwnedFd,
        /// Whether its root is a directory.
        directory: bool,
    },
    /// A new file system, made by the child (it may depend on the child's namespaces).
    New {
        /// Type.
        filesystem: String,
    },
    /// The cgroup v1 hierarchies below a tmpfs.
    CgroupV1 {
        /// One per hierarchy.
        hierarchies: Vec<CgroupV1>,
    },
}

/// One cgroup v1 hierarchy as the container sees it.
#[derive(Debug)]
pub(crate) struct CgroupV1 {
    /// Name of its directory.
    pub(crate) name: String,
    /// Its controllers (or `name=…`).
    pub(crate) controllers: Vec<String>,
    /// The container's own cgroup, detached; `None` when the child mounts the hierarchy in its cgroup namespace.
    pub(crate) tree: Option<OwnedFd>,
}

/// Prepares the mounts of a spec. The cgroup directories exist by now.
pub(crate) fn prepare(mounts: &[Mount], cgroup: &cgroup::Manager, cgroup_namespace: bool) -> Result<Vec<Prepared>> {
    mounts.iter().map(|mount| prepare_one(mount, cgroup, cgroup_namespace)).collect()
}

fn prepare_one(mount: &Mount, cgroup: &cgroup::Manager, cgroup_namespace: bool) -> Result<Prepared> {
    let mut options = Options::parse(&mount.options);
    options.bind |= mount.r#type == "bind";
    if !mount.destination.starts_with('/') {
        let text = format!("mount destination {} not absolute", quoted(&mount.destination));
        return Err(Failure::plain(Step::Plan, text).at(&mount.destination));
    }
    let kind = if options.bind {
        bind(mount, &options)?
    } else if mount.r#type == "cgroup" && !cgroup.hierarchies().is_v2() {
        Kind::CgroupV1 { hierarchies: cgroup_v1(cgroup, cgroup_namespace)? }
    } else if mount.r#type == "cgroup" {
        Kind::New { filesystem: "cgroup2".to_owned() }
    } else {
        Kind::New { filesystem: mount.r#type.clone() }
    };
    Ok(Prepared { destination: PathBuf::from(&mount.destination), source: mount.source.clone(), options, kind })
}

/// `error mounting "/a" to rootfs at "/b": …`, as runc frames it.
pub(crate) fn mount_text(source: &str, destination: &Path, what: &str) -> String {
    format!("error mounting {} to rootfs at {}: {what}", quoted(source), quoted(&destination.to_string_lossy()))
}

fn bind(mount: &Mount, options: &Options) -> Result<Kind> {
    let failed = |what: &str, errno: Errno| {
        let text = mount_text(&mount.source, Path::new(&mount.destination), &format!("{what} {}", mount.source));
        Failure::new(Step::Mount, text, errno).at(&mount.source)
    };
    if options.idmap.is_some() {
        return Err(failed("idmapped mount of", Errno::OPNOTSUPP));
    }
    let tree = clone_tree(Path::new(&mount.source), options.recursive).map_err(|errno| failed("open_tree", errno))?;
    dress(&tree, options).map_err(|errno| failed("mount_setattr", errno))?;
    let directory = is_dir(tree.as_fd()).map_err(|errno| failed("stat", errno))?;
    Ok(Kind::Bind { tree, directory })
}

/// A detached copy of the mount at `path`. A path below the root of another process (`/proc/<pid>/root/…`) is copied from
/// that process' mount namespace.
fn clone_tree(path: &Path, recursive: bool) -> std::result::Result<OwnedFd, Errno> {
    match foreign::parse(path) {
        Some((pid, inside)) => foreign::run(pid, || clone_here(inside, recursive)),
        None => clone_here(path, recursive),
    }
}

fn clone_here(path: &Path, recursive: bool) -> std::result::Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, flags)
}

/// Gives a detached bind mount its attributes and propagation.
fn dress(tree: &OwnedFd, options: &Options) -> std::result::Result<(), Errno> {
    let set = |recursive: bool, attributes: MountAttr| {
        if attributes == MountAttr::default() {
            return Ok(());
        }
        mount_setattr(tree.as_fd(), c"", recursive, &attributes)
    };
    // Without a word a bind receives what is mounted on the host later, and gives nothing back (runc's default).
    let (kind, all) = options.propagation.unwrap_or((propagation::SLAVE, true));
    set(all, MountAttr { propagation: kind, ..MountAttr::default() })?;
    set(true, options.recursive_attributes)?;
    set(false, options.attributes)
}

fn cgroup_v1(cgroup: &cgroup::Manager, namespace: bool) -> Result<Vec<CgroupV1>> {
    let own = cgroup.v1_dirs().map(|(_, dir)| dir);
    cgroup
        .hierarchies()
        .v1()
        .iter()
        .zip(own)
        .map(|(hierarchy, dir)| {
            let name = hierarchy.mount.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let tree = if namespace {
                None
            } else {
                let text = || format!("failed to clone {}", dir.display());
                let tree = clone_tree(&dir, false).with_context(Step::Cgroup, text)?;
                let attributes = MountAttr {
                    set: attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC,
                    propagation: propagation::PRIVATE,
                    ..MountAttr::default()
                };
                mount_setattr(tree.as_fd(), c"", false, &attributes).with_context(Step::Cgroup, text)?;
                Some(tree)
            };
            Ok(CgroupV1 { name, controllers: hierarchy.controllers.clone(), tree })
        })
        .collect()
}

/// The container's root file system as a detached mount.
pub(crate) fn rootfs(rootfs: &Rootfs) -> Result<OwnedFd> {
    match rootfs {
        Rootfs::Path { path } => {
            let shown = path.to_string_lossy();
            let failed = |errno| Failure::new(Step::Rootfs, format!("open {shown}"), errno).at(shown.clone());
            let tree = clone_tree(path, true).map_err(failed)?;
            let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
            mount_setattr(tree.as_fd(), c"", true, &private).context(Step::Rootfs, "mount_setattr of the rootfs")?;
            Ok(tree)
        }
        Rootfs::Overlay { lower, upper, work, volatile } => overlay(lower, upper, work, *volatile),
    }
}

fn overlay(lower: &[PathBuf], upper: &Path, work: &Path, volatile: bool) -> Result<OwnedFd> {
    let failed = |what: &str, path: &Path| {
        let (what, path) = (what.to_owned(), path.to_string_lossy().into_owned());
        move |errno| Failure::new(Step::Rootfs, format!("mount overlay: {what} {path}"), errno).at(path)
    };
    let none = Path::new("");
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed("fsopen", none))?;
    fsconfig_set_string(&fs, "source", "overlay").map_err(failed("source", none))?;
    for layer in lower {
        // Since Linux 6.5; before, one string of at most 255 bytes.
        match fsconfig_set_string(&fs, "lowerdir+", layer) {
            Err(Errno::INVAL) if lower.first() == Some(layer) => {
                let joined = lower.iter().map(|l| escaped(l)).collect::<Vec<_>>().join(":");
                fsconfig_set_string(&fs, "lowerdir", joined.as_str()).map_err(failed("lowerdir", none))?;
                break;
            }
            other => other.map_err(failed("lowerdir", layer))?,
        }
    }
    fsconfig_set_string(&fs, "upperdir", upper).map_err(failed("upperdir", upper))?;
    fsconfig_set_string(&fs, "workdir", work).map_err(failed("workdir", work))?;
    // An index would refuse an upper directory whose layers lie elsewhere now. Kernels built without it say EINVAL.
    let _ = fsconfig_set_string(&fs, "index", "off");
    if volatile {
        fsconfig_set_flag(&fs, "volatile").map_err(failed("volatile", none))?;
    }
    fsconfig_create(&fs).map_err(failed("create with upper directory", upper))?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map_err(failed("fsmount", none))
}

fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}

/// A program of the host, to be bound read-only.
pub(crate) fn init_program(path: &Path) -> Result<OwnedFd> {
    let failed = |errno| Failure::new(Step::Mount, format!("open init program {}", path.display()), errno);
    let tree = clone_tree(path, false).map_err(failed)?;
    let attributes = MountAttr {
        set: attr::RDONLY | attr::NOSUID | attr::NODEV,
        propagation: propagation::PRIVATE,
        ..MountAttr::default()
    };
    mount_setattr(tree.as_fd(), c"", false, &attributes).map_err(failed)?;
    Ok(tree)
}
