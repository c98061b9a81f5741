//! Mounts, prepared by the shim: what comes from the host is opened here, as detached mounts that nobody else sees,
//! before the container exists. The child only puts them in place.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use fsroot::is_dir;
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
use crate::mapping::Maps;
use crate::namespaces::Namespaces;
use crate::options::{Options, propagation_named};

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

/// What mounts depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The container's; its directories exist by now.
    pub(crate) cgroup: &'a cgroup::Manager,
    /// The container's.
    pub(crate) namespaces: &'a Namespaces,
    /// Ids of its own user namespace.
    pub(crate) maps: Maps<'a>,
}

/// Prepares the mounts of a spec.
pub(crate) fn prepare(mounts: &[Mount], around: Around<'_>) -> Result<Vec<Prepared>> {
    let mut preparer = Preparer { around, spaces: Vec::new() };
    mounts.iter().map(|mount| preparer.one(mount)).collect()
}

/// Prepares one mount after the other.
#[derive(Debug)]
struct Preparer<'a> {
    around: Around<'a>,
    /// User namespaces made for id-mapped mounts.
    spaces: Vec<(Maps<'a>, OwnedFd)>,
}

impl<'a> Preparer<'a> {
    fn one(&mut self, mount: &'a Mount) -> Result<Prepared> {
        let Around { cgroup, namespaces, .. } = self.around;
        let mut options = Options::parse(&mount.options);
        options.bind |= mount.r#type == "bind";
        let kind = if options.bind {
            self.bind(mount, &options)?
        } else if mount.r#type == "cgroup" && !cgroup.hierarchies().is_v2() {
            Kind::CgroupV1 { hierarchies: cgroup_v1(cgroup, namespaces.new_cgroup)? }
        } else if mount.r#type == "cgroup" {
            match cgroup.hierarchies().unified().filter(|_| namespaces.user && !namespaces.new_cgroup) {
                // Only who owns the cgroup namespace may mount its tree anew.
                Some(unified) => {
                    let bind = Mount { source: unified.to_string_lossy().into_owned(), ..mount.clone() };
                    host_tree(&bind, &options).map(|tree| Kind::Bind { tree, directory: true })?
                }
                None => Kind::New { filesystem: "cgroup2".to_owned() },
            }
        } else {
            // There is nothing below a new file system yet.
            options.attributes.set |= options.recursive_attributes.set;
            Kind::New { filesystem: mount.r#type.clone() }
        };
        // As runc does: relative to the root.
        let destination = Path::new("/").join(&mount.destination);
        Ok(Prepared { destination, source: mount.source.clone(), options, kind })
    }

    fn bind(&mut self, mount: &'a Mount, options: &Options) -> Result<Kind> {
        let tree = host_tree(mount, options)?;
        if let Some(space) = self.ids(mount, options)? {
            let attributes = MountAttr {
                set: attr::IDMAP,
                userns_fd: u64::try_from(space.as_raw_fd()).unwrap_or(u64::MAX),
                ..MountAttr::default()
            };
            mount_setattr(tree.as_fd(), c"", options.idmap == Some(true), &attributes).map_err(|errno| {
                let hint = "maybe its file system cannot be id-mapped on this kernel";
                let what = format!("failed to set MOUNT_ATTR_IDMAP on {} ({hint})", mount.source);
                Failure::new(Step::Mount, mount_text(&mount.source, Path::new(&mount.destination), &what), errno)
                    .at(&mount.source)
            })?;
        }
        let directory = is_dir(tree.as_fd()).map_err(|errno| bind_failure(mount, "stat", errno))?;
        Ok(Kind::Bind { tree, directory })
    }

    /// The user namespace whose map an id-mapped mount gets: of its own mappings, or the container's.
    fn ids(&mut self, mount: &'a Mount, options: &Options) -> Result<Option<BorrowedFd<'_>>> {
        let own = Maps { uids: &mount.uid_mappings, gids: &mount.gid_mappings };
        let maps = match (own.uids.is_empty(), options.idmap) {
            (false, _) => own,
            (true, None) => return Ok(None),
            (true, Some(_)) if !self.around.maps.uids.is_empty() => self.around.maps,
            (true, Some(_)) => match self.around.namespaces.joined_user() {
                Some(joined) => return Ok(Some(joined)),
                None => {
                    let text = "id-mapped mount without mappings in a container without user namespace";
                    let text = mount_text(&mount.source, Path::new(&mount.destination), text);
                    return Err(Failure::plain(Step::Plan, text).at(&mount.destination));
                }
            },
        };
        if !self.spaces.iter().any(|(known, _)| *known == maps) {
            self.spaces.push((maps, maps.namespace()?));
        }
        Ok(self.spaces.iter().find(|(known, _)| *known == maps).map(|(_, space)| space.as_fd()))
    }
}

/// `error mounting "/a" to rootfs at "/b": …`, as runc frames it.
pub(crate) fn mount_text(source: &str, destination: &Path, what: &str) -> String {
    format!("error mounting {} to rootfs at {}: {what}", quoted(source), quoted(&destination.to_string_lossy()))
}

fn bind_failure(mount: &Mount, what: &str, errno: Errno) -> Failure {
    let text = mount_text(&mount.source, Path::new(&mount.destination), &format!("{what} {}", mount.source));
    Failure::new(Step::Mount, text, errno).at(&mount.source)
}

/// A copy of a part of the host's tree, with the attributes that are asked for.
fn host_tree(mount: &Mount, options: &Options) -> Result<OwnedFd> {
    let failed = |what: &'static str| move |errno| bind_failure(mount, what, errno);
    let tree = clone_tree(Path::new(&mount.source), options.recursive).map_err(failed("open_tree"))?;
    dress(&tree, options).map_err(failed("mount_setattr"))?;
    Ok(tree)
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

/// Mounts a container's root file system at a place of the caller's mount namespace, for another runtime.
///
/// # Errors
/// What the kernel says.
pub fn mount_rootfs(rootfs: &Rootfs, at: &Path) -> std::result::Result<(), Errno> {
    let tree = self::rootfs(rootfs, "").map_err(|failure| Errno::from_raw_os_error(failure.errno))?;
    rustix::mount::move_mount(&tree, "", CWD, at, rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// The container's root file system as a detached mount. `wanted` is its propagation: what is to hear of the host's
/// mounts stays tied to them here.
pub(crate) fn rootfs(rootfs: &Rootfs, wanted: &str) -> Result<OwnedFd> {
    match rootfs {
        Rootfs::Path { path } => {
            let shown = path.to_string_lossy();
            let failed = |errno| Failure::new(Step::Rootfs, format!("open {shown}"), errno).at(shown.clone());
            let tree = clone_tree(path, true).map_err(failed)?;
            let wanted = propagation_named(wanted).map(|(kind, _)| kind);
            let kind = wanted.filter(|kind| *kind == propagation::SLAVE).unwrap_or(propagation::PRIVATE);
            let attributes = MountAttr { propagation: kind, ..MountAttr::default() };
            mount_setattr(tree.as_fd(), c"", true, &attributes).context(Step::Rootfs, "mount_setattr of the rootfs")?;
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
