//! Who runs a process: reads `passwd` and `group` out of a root file system that nobody has mounted, or of a running
//! container, without ever leaving that root.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::user::{self, Identity};
use id::Digest;
use image::RootfsMount;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::Error;

/// Largest `passwd` or `group` that is read, bytes. Whatever lies behind is not looked at.
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
        let accounts = Arc::new(read(root.as_fd()));
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
    let path = std::path::PathBuf::from(format!("/proc/{pid}/root"));
    let root = rustix::fs::openat(CWD, &path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::Io { op: "open", path, source: e.into() })?;
    Ok(read(root.as_fd()))
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

/// The layers as a read-only overlay that is attached nowhere and goes with its descriptor.
fn mount_detached(rootfs: &RootfsMount) -> Result<OwnedFd, Errno> {
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

fn read(root: BorrowedFd<'_>) -> Accounts {
    Accounts { passwd: read_file(root, "etc/passwd"), group: read_file(root, "etc/group") }
}

/// A file inside the root; empty if it is not there, not a regular file, or cannot be read.
fn read_file(root: BorrowedFd<'_>, path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(fd) = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) else { return String::new() };
    let regular = rustix::fs::fstat(&fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile);
    let mut bytes = Vec::new();
    if !regular || std::fs::File::from(fd).take(FILE_LIMIT).read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
