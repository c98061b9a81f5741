//! Containers on disk: one directory each below the root.
//!
//! ```text
//! <root>/<id>/state.json   the record, written whole and renamed into place
//! <root>/<id>/start        FIFO that the first process waits at; gone when it was started
//! <root>/<id>/             where the container's root is mounted, in its own mount namespace
//! ```
//!
//! The directory itself is the lock of a container: flock(2) by whoever changes its state. Making it is what gives an id to
//! one `create` only. A directory without a record is a `create` that died.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use oci::runtime::{Spec, Status};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::cgroups::CgroupRecord;
use crate::error::{Error, Result, at, io};
use crate::process;

/// Version of [`Record`].
const VERSION: u32 = 1;
const RECORD: &str = "state.json";
const DRAFT: &str = ".state.json";
const DEFAULT_ROOT: &str = "/run/gantry-runtime";

/// All containers below one root.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

/// What later commands must know of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    pub(crate) id: String,
    /// Absolute.
    pub(crate) bundle: PathBuf,
    /// Absolute.
    pub(crate) rootfs: PathBuf,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    /// First process; 0 while there is none.
    pub(crate) pid: i32,
    /// Its start time, see [`process::alive`].
    pub(crate) started: u64,
    pub(crate) cgroup: CgroupRecord,
    pub(crate) spec: Spec,
    /// What its standard streams were at first, as far as they are pipes; empty for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) streams: Vec<String>,
}

/// A container that exists.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) dir: PathBuf,
    pub(crate) record: Record,
}

/// The right to change a container's state, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    dir: OwnedFd,
}

impl Lock {
    /// Lets others change the state, until [`Self::again`].
    pub(crate) fn release(&self) {
        // A process that was forked meanwhile has a copy of the descriptor.
        let _ = rustix::fs::flock(&self.dir, FlockOperation::Unlock);
    }

    /// Takes the lock once more. `false` when the directory is gone; another container may have its name by now.
    pub(crate) fn again(&self, dir: &Path) -> Result<bool> {
        rustix::fs::flock(&self.dir, FlockOperation::LockExclusive).map_err(at("lock", dir))?;
        let ours = rustix::fs::fstat(&self.dir).map_err(at("stat", dir))?;
        // As long as it is open here, its number is nobody else's.
        Ok(rustix::fs::stat(dir).is_ok_and(|now| now.st_ino == ours.st_ino && now.st_dev == ours.st_dev))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.release();
    }
}

impl Record {
    pub(crate) fn new(id: &str, bundle: &Path, rootfs: &Path, spec: Spec, cgroup: CgroupRecord) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            version: VERSION,
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            rootfs: rootfs.to_owned(),
            created: now.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            pid: 0,
            started: 0,
            cgroup,
            spec,
            streams: Vec::new(),
        }
    }

    /// Notes the first process.
    pub(crate) fn runs(&mut self, pid: i32) {
        self.pid = pid;
        self.started = process::alive(pid).unwrap_or(0);
    }

    /// The state as hooks and `state` show it.
    pub(crate) fn state(&self, status: Status) -> oci::runtime::State {
        oci::runtime::State {
            oci_version: self.spec.oci_version.clone(),
            id: self.id.clone(),
            status,
            pid: (status != Status::Stopped).then_some(self.pid),
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.spec.annotations.clone(),
        }
    }
}

/// Letters, digits and `_+-.`, but no name that a path resolves.
fn check_id(id: &str) -> Result<()> {
    if id.is_empty() {
        return Err(Error::EmptyId);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    if id.chars().all(allowed) && id != "." && id != ".." { Ok(()) } else { Err(Error::InvalidId) }
}

impl Store {
    /// Without a root: `/run/gantry-runtime`, for others than root below `$XDG_RUNTIME_DIR`.
    pub(crate) fn new(root: Option<&str>) -> Result<Self> {
        let root = match root.filter(|root| !root.is_empty()) {
            Some(root) => std::path::absolute(root).map_err(io("resolve", root))?,
            None => match std::env::var_os("XDG_RUNTIME_DIR") {
                Some(dir)
                    if !rustix::process::geteuid().is_root()
                        || std::env::var_os("USER").is_some_and(|u| u != "root" && !dir.is_empty()) =>
                {
                    Path::new(&dir).join("gantry-runtime")
                }
                _ => PathBuf::from(DEFAULT_ROOT),
            },
        };
        Ok(Self { root })
    }

    /// Reserves an id. The lock is held already.
    pub(crate) fn make(&self, id: &str) -> Result<(PathBuf, Lock)> {
        check_id(id)?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o711).create(&self.root).map_err(io("mkdir", &self.root))?;
        let dir = self.root.join(id);
        // The container's root user, who may be another on the host, walks through it to where the root is mounted.
        match rustix::fs::mkdir(&dir, Mode::from_raw_mode(0o711)) {
            Err(Errno::EXIST) => return Err(Error::Exists),
            other => other.map_err(at("mkdir", &dir))?,
        }
        let lock = lock(&dir)?.ok_or(Error::NotExist)?;
        Ok((dir, lock))
    }

    /// A container.
    pub(crate) fn load(&self, id: &str) -> Result<Container> {
        check_id(id)?;
        let dir = self.root.join(id);
        let path = dir.join(RECORD);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::NotExist),
            other => other.map_err(io("open", &path))?,
        };
        let json = |source| Error::Json { what: format!("{} cannot be read", path.display()), source };
        Ok(Container { record: serde_json::from_slice(&text).map_err(json)?, dir })
    }

    /// A container, to change its state.
    pub(crate) fn lock(&self, id: &str) -> Result<(Container, Lock)> {
        check_id(id)?;
        let lock = lock(&self.root.join(id))?.ok_or(Error::NotExist)?;
        Ok((self.load(id)?, lock))
    }

    /// Removes what a `create` that died has left. One that lives holds the lock.
    pub(crate) fn sweep(&self, id: &str) -> Result<()> {
        check_id(id)?;
        let dir = self.root.join(id);
        match lock(&dir)? {
            Some(_lock) if !dir.join(RECORD).exists() => remove(&dir),
            _ => Ok(()),
        }
    }

    /// All containers, by id, and whose they are.
    pub(crate) fn list(&self) -> Result<Vec<(Container, u32)>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.root == Path::new(DEFAULT_ROOT) => {
                return Ok(Vec::new());
            }
            other => other.map_err(io("open", &self.root))?,
        };
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let owner = entry.metadata().ok()?.uid();
                Some((self.load(entry.file_name().to_str()?).ok()?, owner))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| a.record.id.cmp(&b.record.id));
        Ok(found)
    }
}

/// Locks a container's directory. `None` when it is gone, perhaps only by the time the lock was had.
fn lock(dir: &Path) -> Result<Option<Lock>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(CWD, dir, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(at("open", dir))?,
    };
    let lock = Lock { dir: fd };
    Ok(lock.again(dir)?.then_some(lock))
}

/// Removes a container's directory, the record first, so that no half of it is found.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    // Mostly there is nothing else.
    let _ = rustix::fs::unlink(dir.join(RECORD));
    if rustix::fs::rmdir(dir).is_ok() {
        return Ok(());
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io("remove", dir)),
    }
}

impl Container {
    /// Where the first process waits.
    pub(crate) fn fifo(dir: &Path) -> PathBuf {
        dir.join("start")
    }

    /// Writes the record: whole, then renamed into place.
    pub(crate) fn save(dir: &Path, record: &Record) -> Result<()> {
        Self::draft(dir, record)?;
        Self::publish(dir)
    }

    /// Writes the record where nobody looks for it; [`Self::publish`] has to follow.
    pub(crate) fn draft(dir: &Path, record: &Record) -> Result<()> {
        let temporary = dir.join(DRAFT);
        let json = |source| Error::Json { what: "state".to_owned(), source };
        let text = serde_json::to_vec(record).map_err(json)?;
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(io("open", &temporary))?;
        file.write_all(&text).map_err(io("write", &temporary))
    }

    /// Puts what [`Self::draft`] has written into place.
    pub(crate) fn publish(dir: &Path) -> Result<()> {
        let path = dir.join(RECORD);
        fs::rename(dir.join(DRAFT), &path).map_err(io("rename", &path))
    }

    /// Where it is in its life.
    pub(crate) fn status(&self) -> Result<Status> {
        let record = &self.record;
        if record.pid == 0 {
            return Ok(Status::Creating);
        }
        if process::alive(record.pid) != Some(record.started) {
            return Ok(Status::Stopped);
        }
        if record.cgroup.is_frozen()? {
            return Ok(Status::Paused);
        }
        Ok(if Self::fifo(&self.dir).exists() { Status::Created } else { Status::Running })
    }

    /// Sends a signal to the first process. The process is looked at again once a handle of it is held.
    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let pidfd = self.pidfd()?;
        use std::os::fd::AsFd as _;
        match sys::signal::pidfd_kill(pidfd.as_fd(), signal) {
            Err(Errno::SRCH) => Err(Error::NotRunning),
            other => other.map_err(crate::error::call("unable to signal init")),
        }
    }

    /// A handle of the first process.
    pub(crate) fn pidfd(&self) -> Result<OwnedFd> {
        let pid = rustix::process::Pid::from_raw(self.record.pid).ok_or(Error::NotRunning)?;
        let pidfd = match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Err(Error::NotRunning),
            other => other.map_err(crate::error::call("pidfd_open"))?,
        };
        if process::alive(self.record.pid) == Some(self.record.started) { Ok(pidfd) } else { Err(Error::NotRunning) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("root").to_str()).unwrap();
        (dir, store)
    }

    fn record(id: &str) -> Record {
        Record::new(id, Path::new("/b"), Path::new("/b/rootfs"), Spec::default(), CgroupRecord::default())
    }

    #[test]
    fn ids() {
        for bad in ["", ".", "..", "a/b", "a b", "ä"] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
        assert!(check_id("A-z_0.+").is_ok());
    }

    #[test]
    fn life_of_a_directory() {
        let (_temp, store) = store();
        assert!(matches!(store.load("x"), Err(Error::NotExist)));
        let (dir, held) = store.make("x").unwrap();
        assert!(matches!(store.make("x"), Err(Error::Exists)));
        assert!(matches!(store.load("x"), Err(Error::NotExist)), "no record yet");
        let mut record = record("x");
        record.runs(i32::try_from(std::process::id()).unwrap());
        Container::save(&dir, &record).unwrap();
        drop(held);
        let (container, _lock) = store.lock("x").unwrap();
        assert_eq!(container.status().unwrap(), Status::Running);
        assert_eq!(store.list().unwrap().len(), 1);
        remove(&dir).unwrap();
        assert!(matches!(store.lock("x"), Err(Error::NotExist)));
    }

    #[test]
    fn a_recycled_process_id_is_not_the_container() {
        let (_temp, store) = store();
        let (dir, _lock) = store.make("x").unwrap();
        let mut record = record("x");
        record.runs(i32::try_from(std::process::id()).unwrap());
        record.started += 1;
        Container::save(&dir, &record).unwrap();
        let container = store.load("x").unwrap();
        assert_eq!(container.status().unwrap(), Status::Stopped);
        assert!(matches!(container.signal(0), Err(Error::NotRunning)));
    }

    #[test]
    fn a_create_that_died_is_swept() {
        let (_temp, store) = store();
        let (dir, held) = store.make("x").unwrap();
        drop(held);
        store.sweep("x").unwrap();
        assert!(!dir.exists());
    }
}
