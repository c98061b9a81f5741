//! One container's cgroup in every hierarchy.

use std::path::{Path, PathBuf};

use oci::runtime::Resources;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode as FileMode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::details::{self, Details};
use crate::file::Maker;
use crate::hierarchy::{Hierarchies, Mode};
use crate::stats::{self, Stats};
use crate::{Entry, Error, OomWatch, Result, file, freeze, oom, remove, step, v1, v2};

/// Longest path accepted (PATH_MAX).
const MAX_PATH: usize = 4096;

/// The cgroup of one container: the same path below the mount of every hierarchy.
///
/// Holds paths only, so it may be made anew at any time (after a restart of the daemon, say).
#[derive(Debug, Clone)]
pub struct Manager {
    hierarchies: Hierarchies,
    path: String,
    /// Controllers (empty: all) with paths below [`Self::path`].
    below: Vec<(String, String)>,
}

impl Manager {
    /// A cgroup by its absolute path, as `/docker/0123…`. Nothing is touched yet.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for the root, a relative path, or one with `.`, `..` or NUL in it.
    pub fn new(path: &str, hierarchies: &Hierarchies) -> Result<Self> {
        let invalid = || Error::InvalidPath { path: path.to_owned() };
        let rest = path.strip_prefix('/').ok_or_else(invalid)?;
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() || path.len() > MAX_PATH || parts.iter().any(|part| matches!(*part, "." | "..")) {
            return Err(invalid());
        }
        if path.contains('\0') || path.contains('\n') {
            return Err(invalid());
        }
        Ok(Self { hierarchies: hierarchies.clone(), path: parts.join("/"), below: Vec::new() })
    }

    /// A cgroup below this one: by controller (v1), or one path in all hierarchies, for which the controller is empty.
    /// Nothing is touched; see [`Self::is_whole`].
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for a path that leads out, [`Error::NoController`] for a controller that is not mounted.
    pub fn below(&self, paths: &[(&str, &str)]) -> Result<Self> {
        let mut below = Vec::new();
        for (controller, path) in paths {
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
            if parts.contains(&"..") || path.contains(['\0', '\n']) || path.len() > MAX_PATH {
                return Err(Error::InvalidPath { path: (*path).to_owned() });
            }
            if !controller.is_empty() && self.hierarchies.v1_mount(controller).is_none() {
                return Err(Error::NoController { controller: (*controller).to_owned() });
            }
            below.push(((*controller).to_owned(), parts.join("/")));
        }
        Ok(Self { below, ..self.clone() })
    }

    /// Whether all of its directories exist.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.dirs().iter().all(|dir| dir.is_dir())
    }

    /// Its directory below a mount, by what `has` says of the controllers there.
    fn dir(&self, mount: &Path, has: impl Fn(&str) -> bool) -> PathBuf {
        let dir = mount.join(&self.path);
        let below =
            self.below.iter().find(|(controller, path)| !path.is_empty() && (controller.is_empty() || has(controller)));
        below.map_or_else(|| dir.clone(), |(_, path)| dir.join(path))
    }

    /// The hierarchies it spans.
    #[must_use]
    pub fn hierarchies(&self) -> &Hierarchies {
        &self.hierarchies
    }

    /// Its path below each mount, with a leading slash.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.path)
    }

    /// Its directory in the v1 hierarchy of a controller (`name=systemd` is one too).
    #[must_use]
    pub fn v1_dir(&self, controller: &str) -> Option<PathBuf> {
        self.hierarchies.v1_mount(controller).map(|mount| self.dir(mount, |name| name == controller))
    }

    /// Its directories in all v1 hierarchies, with their controllers.
    pub fn v1_dirs(&self) -> impl Iterator<Item = (&[String], PathBuf)> {
        self.hierarchies
            .v1()
            .iter()
            .map(|hierarchy| (hierarchy.controllers.as_slice(), self.dir(&hierarchy.mount, |name| hierarchy.has(name))))
    }

    /// Its directory in the v2 tree (v2 and hybrid hosts).
    #[must_use]
    pub fn unified_dir(&self) -> Option<PathBuf> {
        self.hierarchies.unified().map(|mount| self.dir(mount, |_| false))
    }

    /// Makes its directories, with parents; cpusets get their parent's CPUs and nodes, v2 parents hand their
    /// controllers down. Directories that exist are taken over.
    ///
    /// # Errors
    /// [`Error::Io`] with the directory at fault.
    pub fn create(&self) -> Result<()> {
        self.create_unified()?;
        self.create_v1()
    }

    /// The part of [`Self::create`] that is done in the v2 tree, if there is one.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_unified(&self) -> Result<()> {
        match self.hierarchies.unified() {
            Some(mount) if self.hierarchies.mode() == Mode::V2 => {
                v2::make_dirs(mount, &self.path, self.hierarchies.unified_controllers())
            }
            Some(mount) => make_dirs(mount, &mount.join(&self.path), &mut Maker::default()),
            None => Ok(()),
        }
    }

    /// The part of [`Self::create`] that is done in v1 hierarchies.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_v1(&self) -> Result<()> {
        let mut maker = Maker::default();
        for hierarchy in self.hierarchies.v1() {
            let dir = hierarchy.mount.join(&self.path);
            make_dirs(&hierarchy.mount, &dir, &mut maker)?;
            if hierarchy.has("cpuset") {
                v1::inherit_cpuset(&hierarchy.mount, &dir)?;
            }
        }
        Ok(())
    }

    /// Gives its directory in the v2 tree, and what the kernel lists as safe for that in there, to a user, who may make
    /// cgroups below it then. Only on v2 hosts.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn hand_over(&self, uid: u32) -> Result<()> {
        /// Documentation/admin-guide/cgroup-v2.rst, "Delegation".
        const LIST: &str = "/sys/kernel/cgroup/delegate";
        let Some(dir) = self.unified_dir().filter(|_| self.hierarchies.is_v2()) else { return Ok(()) };
        let list = file::read_optional(Path::new(LIST))?;
        let names = list.as_deref().unwrap_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
        let owner = Some(rustix::fs::Uid::from_raw(uid));
        for path in std::iter::once(dir.clone()).chain(names.lines().map(|name| dir.join(name))) {
            match rustix::fs::chown(&path, owner, None) {
                // A file of a controller that is not there.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::Io { operation: "chown", path, errno }),
            }
        }
        Ok(())
    }

    /// Whether any of its directories exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.dirs().iter().any(|dir| dir.is_dir())
    }

    /// Puts limits into force; absent ones are left as they are. Device rules are the whole list when given
    /// (see [`crate::default_device_rules`]), and left alone when empty.
    ///
    /// # Errors
    /// What cannot be expressed here, and what the kernel refuses. Limits set before the error stay set.
    pub fn apply(&self, resources: &Resources) -> Result<()> {
        if self.hierarchies.is_v2() {
            let Some(dir) = self.unified_dir() else { return Err(Error::NotMounted) };
            return v2::apply(&dir, resources);
        }
        let steps = v1::plan(resources)?;
        step::execute(&steps, &|controller| self.v1_dir(controller))
    }

    /// Moves a process (all its threads) in, in every hierarchy.
    ///
    /// # Errors
    /// [`Error::Io`]; ESRCH when the process is gone.
    pub fn add_pid(&self, pid: Pid) -> Result<()> {
        self.v1_dirs().try_for_each(|(_, dir)| add(&dir, pid))?;
        match self.unified_dir() {
            Some(dir) => add(&dir, pid),
            None => Ok(()),
        }
    }

    /// Opens the v1 cgroups for a process that is to enter them by itself (none on v2 hosts, where it is born inside:
    /// [`Self::open_for_clone_into`]).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_v1(&self) -> Result<Entry> {
        Entry::open(self.v1_dirs().map(|(_, dir)| dir.join("tasks")))
    }

    /// Opens the v2 directory for `CLONE_INTO_CGROUP`; `None` where there is no v2 tree.
    /// On hybrid hosts the child is still to be put into the others with [`Self::open_v1`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_for_clone_into(&self) -> Result<Option<OwnedFd>> {
        let Some(dir) = self.unified_dir() else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match rustix::fs::open(&dir, flags, FileMode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(errno) => Err(Error::Io { operation: "open", path: dir, errno }),
        }
    }

    /// Process ids in it and in cgroups below it, as the caller's pid namespace sees them, ascending.
    ///
    /// # Errors
    /// [`Error::Io`]; a cgroup that is gone has no processes.
    pub fn procs(&self) -> Result<Vec<Pid>> {
        match self.main_dir() {
            Some(dir) => remove::procs(&dir),
            None => Err(Error::NotMounted),
        }
    }

    /// Freezes all processes and waits until they stand still. Idempotent.
    ///
    /// # Errors
    /// [`Error::FreezeTimeout`] (they are thawed again then), [`Error::NoController`], [`Error::Io`].
    pub fn freeze(&self) -> Result<()> {
        self.freezer()?.freeze()
    }

    /// Thaws all processes. Idempotent.
    ///
    /// # Errors
    /// As [`Self::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.freezer()?.thaw()
    }

    /// Whether it is frozen.
    ///
    /// # Errors
    /// [`Error::NoController`], [`Error::Io`].
    pub fn is_frozen(&self) -> Result<bool> {
        self.freezer()?.is_frozen()
    }

    fn freezer(&self) -> Result<freeze::Freezer> {
        if let Some(dir) = self.unified_dir().filter(|dir| dir.join("cgroup.freeze").exists()) {
            return Ok(freeze::Freezer::V2(dir));
        }
        self.v1_dir("freezer")
            .map(freeze::Freezer::V1)
            .ok_or_else(|| Error::NoController { controller: "freezer".to_owned() })
    }

    /// Kills every process in it with SIGKILL, frozen ones too, and does not wait for them to end.
    ///
    /// # Errors
    /// [`Error::Io`]; a cgroup that is gone is no error.
    pub fn kill(&self) -> Result<()> {
        if let Some(dir) = self.unified_dir() {
            match file::write(&dir.join("cgroup.kill"), "1") {
                Ok(()) => return Ok(()),
                // Kernels before 5.14 have no cgroup.kill; processes may be in the v1 cgroups alone.
                Err(error) if file::is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.signal_all(Signal::KILL)?;
        match self.freezer() {
            Ok(freezer) => freezer.thaw().or_else(|error| if file::is_missing(&error) { Ok(()) } else { Err(error) }),
            Err(_) => Ok(()),
        }
    }

    /// Sends a signal to every process in it, until a look finds no new ones. Without `cgroup.kill` a fork bomb
    /// may outrun it: freeze first, then.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn signal_all(&self, signal: Signal) -> Result<()> {
        let mut signalled: Vec<Pid> = Vec::new();
        for _ in 0..100 {
            let fresh: Vec<Pid> = self.procs()?.into_iter().filter(|pid| !signalled.contains(pid)).collect();
            if fresh.is_empty() {
                break;
            }
            for pid in &fresh {
                match rustix::process::kill_process(*pid, signal) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => {
                        let path = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
                        return Err(Error::Io { operation: "kill", path, errno });
                    }
                }
            }
            signalled.extend(fresh);
        }
        Ok(())
    }

    /// Present figures.
    ///
    /// # Errors
    /// [`Error::Io`] when the cgroup is gone; a controller that the host lacks only leaves zeros.
    pub fn stats(&self) -> Result<Stats> {
        match self.unified_dir() {
            Some(dir) if self.hierarchies.is_v2() => stats::read_v2(&dir),
            _ => stats::read_v1(&|controller| self.v1_dir(controller)),
        }
    }

    /// Present figures beside those of [`Self::stats`].
    ///
    /// # Errors
    /// [`Error::Io`]; what the host lacks only leaves zeros.
    pub fn details(&self) -> Result<Details> {
        match self.unified_dir() {
            Some(dir) if self.hierarchies.is_v2() => details::read_v2(&dir),
            _ => details::read_v1(&|controller| self.v1_dir(controller)),
        }
    }

    /// How many processes the OOM killer has killed in it.
    ///
    /// # Errors
    /// [`Error::NoController`] without memory controller, [`Error::Io`].
    pub fn oom_count(&self) -> Result<u64> {
        oom::count(&self.memory_dir()?, self.hierarchies.is_v2())
    }

    /// A descriptor that becomes readable when the cgroup runs out of memory.
    ///
    /// # Errors
    /// As [`Self::oom_count`].
    pub fn oom_watch(&self) -> Result<OomWatch> {
        OomWatch::new(&self.memory_dir()?, self.hierarchies.is_v2())
    }

    fn memory_dir(&self) -> Result<PathBuf> {
        let missing = || Error::NoController { controller: "memory".to_owned() };
        if self.hierarchies.is_v2() { self.unified_dir() } else { self.v1_dir("memory") }.ok_or_else(missing)
    }

    /// Removes its directories with everything below, waiting a little for dying processes. Missing ones are fine.
    /// All hierarchies are tried; the first error is reported.
    ///
    /// # Errors
    /// [`Error::Io`]; EBUSY when processes live on.
    pub fn delete(&self) -> Result<()> {
        let mut result = Ok(());
        for dir in self.dirs() {
            let removed = remove::tree(&dir);
            if result.is_ok() {
                result = removed;
            }
        }
        result
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.v1_dirs().map(|(_, dir)| dir).chain(self.unified_dir()).collect()
    }

    /// The directory that answers which processes are in the container.
    fn main_dir(&self) -> Option<PathBuf> {
        if self.hierarchies.is_v2() {
            return self.unified_dir();
        }
        ["pids", "memory", "devices", "freezer"]
            .iter()
            .find_map(|controller| self.v1_dir(controller))
            .or_else(|| self.dirs().into_iter().next())
    }
}

fn add(dir: &Path, pid: Pid) -> Result<()> {
    file::write(&dir.join("cgroup.procs"), &pid.as_raw_nonzero().to_string())
}

/// `mkdir -p` below a mount, the leaf first because its parent mostly exists.
fn make_dirs(mount: &Path, dir: &Path, maker: &mut Maker) -> Result<()> {
    match maker.make(dir) {
        Err(Error::Io { errno: Errno::NOENT, .. }) if dir != mount => {
            let Some(parent) = dir.parent() else {
                return Err(Error::NotMounted);
            };
            make_dirs(mount, parent, maker)?;
            maker.make(dir)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below() {
        let v2 = Hierarchies::new_v2(Path::new("/nosuch/cg"));
        let own = Manager::new("/a", &v2).expect("good");
        let dir = |paths: &[(&str, &str)]| own.below(paths).map(|below| below.unified_dir());
        assert_eq!(dir(&[("", "/x//y")]), Ok(Some(PathBuf::from("/nosuch/cg/a/x/y"))));
        assert_eq!(dir(&[("", "/")]), Ok(Some(PathBuf::from("/nosuch/cg/a"))));
        assert!(matches!(dir(&[("", "../b")]), Err(Error::InvalidPath { .. })));
        assert!(matches!(dir(&[("memory", "x")]), Err(Error::NoController { .. })));
        assert!(!own.is_whole());
    }

    #[test]
    fn paths() {
        let hierarchies = Hierarchies::new_v1(Vec::new(), None);
        for bad in ["", "/", "docker/x", "/docker/../x", "/a/./b", "/a\0b", "/a\nb", "//"] {
            assert!(matches!(Manager::new(bad, &hierarchies), Err(Error::InvalidPath { .. })), "{bad:?}");
        }
        for (good, path) in [("/docker/x", "/docker/x"), ("//docker//x/", "/docker/x"), ("/a..b", "/a..b")] {
            assert_eq!(Manager::new(good, &hierarchies).expect("good").path(), path);
        }
    }
}
