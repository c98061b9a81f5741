//! Who runs a process: reads `passwd` and `group` out of a root file system that nobody has mounted, or of a running
//! container, without ever leaving that root.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::user::{self, Identity};
use fsroot::Root;
use id::Digest;
use image::RootfsMount;
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::Error;

/// Largest `passwd` or `group` that is read, bytes. A larger one counts as absent.
const FILE_LIMIT: u64 = 4 << 20;
/// Images whose files are remembered.
const CACHE: usize = 16;

/// The contents of the two files.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

/// The files of images, for containers that have not changed them.
#[derive(Debug, Default)]
pub(crate) struct AccountCache {
    by_manifest: Mutex<HashMap<Digest, Arc<Accounts>>>,
}

impl AccountCache {
    /// The files of a container that does not run.
    pub(crate) fn of_rootfs(&self, manifest: Option<&Digest>, rootfs: &RootfsMount) -> Result<Arc<Accounts>, Error> {
        let pristine = !rootfs.upper.join("etc").exists();
        let lock = || self.by_manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let key = manifest.filter(|_| pristine);
        if let Some(found) = key.and_then(|k| lock().get(k).cloned()) {
            return Ok(found);
        }
        let root = mount_detached(rootfs).map_err(|e| Error::Io {
            op: "mount",
            path: rootfs.upper.clone(),
            source: e.into(),
        })?;
        let accounts = Arc::new(read(&Root::from_fd(root)));
        if let Some(key) = key {
            let mut cache = lock();
            if cache.len() >= CACHE {
                cache.clear();
            }
            cache.insert(key.clone(), accounts.clone());
        }
        Ok(accounts)
    }
}

/// The files of a running container.
pub(crate) fn of_running(pid: i32) -> Result<Accounts, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/root"));
    let root = Root::open(&path).map_err(|e| Error::Io { op: "open", path, source: std::io::Error::other(e) })?;
    Ok(read(&root))
}

impl Accounts {
    /// Resolves `--user` and `--group-add`.
    pub(crate) fn resolve(&self, user: &str, extra_groups: &[String]) -> Result<Identity, bundle::BundleError> {
        let mut identity = user::resolve(user, &self.passwd, &self.group)?;
        for wanted in extra_groups {
            let gid =
                user::group_id(wanted, &self.group)?.ok_or_else(|| bundle::BundleError::NoGroup(wanted.clone()))?;
            if !identity.groups.contains(&gid) {
                identity.groups.push(gid);
            }
        }
        Ok(identity)
    }
}

/// A working directory that exists must be a directory; one that does not is made at the start.
pub(crate) fn check_working_dir(rootfs: &RootfsMount, dir: &str) -> Result<(), Error> {
    if dir.is_empty() || dir == "/" {
        return Ok(());
    }
    let root =
        mount_detached(rootfs).map_err(|e| Error::Io { op: "mount", path: rootfs.upper.clone(), source: e.into() })?;
    let is_dir = |s: rustix::fs::Stat| FileType::from_raw_mode(s.st_mode) == FileType::Directory;
    match Root::from_fd(root).stat(Path::new(dir)) {
        Ok(stat) if !is_dir(stat) => Err(Error::Invalid(format!("Cannot mkdir: {dir} is not a directory"))),
        _ => Ok(()),
    }
}

/// The layers as a read-only overlay that is attached nowhere and goes with its descriptor.
pub(crate) fn mount_detached(rootfs: &RootfsMount) -> Result<OwnedFd, Errno> {
    let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for dir in std::iter::once(&rootfs.upper).chain(&rootfs.lower) {
        rustix::mount::fsconfig_set_string(fs.as_fd(), "lowerdir+", dir)?;
    }
    rustix::mount::fsconfig_create(fs.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn read(root: &Root) -> Accounts {
    // Absent, not a regular file, too large: as good as empty.
    let file = |path: &str| root.read(Path::new(path), FILE_LIMIT).unwrap_or_default();
    let text = |path: &str| String::from_utf8_lossy(&file(path)).into_owned();
    Accounts { passwd: text("etc/passwd"), group: text("etc/group") }
}
