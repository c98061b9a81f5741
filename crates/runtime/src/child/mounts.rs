//! Putting mounts in place inside the container's root.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use fsroot::{Missing, Tree, is_dir};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use shim_proto::Step;
use sys::mount::{MountAttr, attr, mount_setattr};

use crate::child::copy_up;
use crate::failure::{Context as _, Failure, Result, quoted, words};
use crate::foreign;
use crate::options::Options;
use crate::source::{CgroupV1, Kind, Prepared, mount_text};

/// statfs(2) magic of procfs.
const PROC_MAGIC: i64 = 0x9fa0;
/// Files of procfs that may be mounted over (those that lxcfs and the like provide).
const PROC_FILES: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

type Outcome<T> = std::result::Result<T, Errno>;

/// Mounts one after the other, and remembers what later steps need.
#[derive(Debug)]
pub(crate) struct Mounter<'a> {
    tree: &'a Tree,
    label: &'a str,
    /// PID namespace of the container when this process is not in it.
    pids: Option<&'a OwnedFd>,
    proc: Option<OwnedFd>,
    devpts: Option<OwnedFd>,
    dev: Option<OwnedFd>,
    foreign_dev: bool,
    read_only_later: Vec<OwnedFd>,
}

impl<'a> Mounter<'a> {
    pub(crate) fn new(tree: &'a Tree, label: &'a str, pids: Option<&'a OwnedFd>) -> Self {
        Self { tree, label, pids, proc: None, devpts: None, dev: None, foreign_dev: false, read_only_later: Vec::new() }
    }

    /// The root of the container's own devpts, if it has one.
    pub(crate) fn devpts(&self) -> Option<BorrowedFd<'_>> {
        self.devpts.as_ref().map(|fd| fd.as_fd())
    }

    /// The directory that device nodes are made in: a tmpfs that this very mounter has put there, or what the root has.
    /// `None` when the user has put something of the host's there.
    pub(crate) fn dev(&self) -> Outcome<Option<OwnedFd>> {
        match &self.dev {
            Some(dev) => dev.try_clone().map(Some).map_err(|_| Errno::MFILE),
            None if self.foreign_dev => Ok(None),
            None => self.tree.open_or_make(Path::new("/dev"), Missing::Directory).map(Some),
        }
    }

    /// A procfs of the container's PID namespace that nothing in the container can have tampered with.
    pub(crate) fn proc(&mut self) -> Result<OwnedFd> {
        match self.proc.take() {
            Some(fd) => Ok(fd),
            None => procfs("proc", &Options::default(), self.pids)
                .map_err(|(what, errno)| Failure::new(Step::Mount, format!("private procfs: {what}"), errno)),
        }
    }

    /// Mounts one.
    pub(crate) fn mount(&mut self, mount: Prepared) -> Result<()> {
        let Prepared { destination, source, mut options, kind } = mount;
        let failed = |what: &str, errno: Errno| {
            let text = mount_text(&source, &destination, what);
            Failure::new(Step::Mount, text, errno).at(destination.to_string_lossy())
        };
        let refused = |text: &str| {
            Failure::plain(Step::Mount, mount_text(&source, &destination, text)).at(destination.to_string_lossy())
        };
        let missing = match &kind {
            Kind::Bind { directory: false, .. } => Missing::File,
            _ => Missing::Directory,
        };
        let is_tmpfs = matches!(&kind, Kind::New { filesystem } if filesystem == "tmpfs");
        let fresh = is_tmpfs && matches!(self.tree.open(&destination, OFlags::PATH), Err(Errno::NOENT));
        let target = self
            .tree
            .open_or_make(&destination, missing)
            .map_err(|errno| failed(&format!("create mountpoint for {} mount", destination.display()), errno))?;
        check_proc(&target, &destination, &kind).map_err(|text| refused(&text))?;
        match kind {
            Kind::Bind { tree, directory } => {
                if directory != is_dir(target.as_fd()).map_err(|errno| failed("stat", errno))? {
                    return Err(failed(&format!("mount {source}:{}", destination.display()), Errno::NOTDIR));
                }
                self.foreign_dev |= destination == Path::new("/dev");
                place(&tree, &target).map_err(|errno| failed("move_mount", errno))
            }
            Kind::CgroupV1 { hierarchies } => self.cgroup_v1(&target, hierarchies, &options),
            Kind::New { filesystem } => {
                let plain_only = matches!(filesystem.as_str(), "proc" | "sysfs");
                if plain_only && !plainly_at(self.tree, &destination) {
                    return Err(refused(&format!(
                        "filesystem {} must be mounted on ordinary directory",
                        quoted(&filesystem)
                    )));
                }
                // A tmpfs over a directory that was there gets that directory's mode unless the options say otherwise.
                let given_mode = options.has_data("mode");
                if is_tmpfs && !fresh {
                    keep_mode(&mut options, &target).map_err(|errno| failed("stat", errno))?;
                }
                self.new_mount(&filesystem, &source, options, &target, (&destination, given_mode))
                    .map_err(|(what, errno)| failed(what, errno))
            }
        }
    }

    fn new_mount(
        &mut self,
        filesystem: &str,
        source: &str,
        mut options: Options,
        target: &OwnedFd,
        (destination, given_mode): (&Path, bool),
    ) -> std::result::Result<(), (&'static str, Errno)> {
        let (copy_up, keeps_mode) = (options.copy_up, !given_mode);
        let later = filesystem == "tmpfs" && options.attributes.set & attr::RDONLY != 0;
        if later {
            options.attributes.set &= !attr::RDONLY;
        }
        let fs = match filesystem {
            "proc" => procfs(source, &options, self.pids)?,
            _ => new_filesystem(filesystem, source, &options, self.label)?,
        };
        if copy_up && filesystem == "tmpfs" {
            copy_up::copy_up(target.as_fd(), fs.as_fd(), keeps_mode).map_err(|e| ("tmpcopyup", e))?;
        }
        if let Some((propagation, recursive)) = options.propagation {
            let attributes = MountAttr { propagation, ..MountAttr::default() };
            mount_setattr(fs.as_fd(), c"", recursive, &attributes).map_err(|e| ("mount_setattr propagation", e))?;
        }
        place(&fs, target).map_err(|e| ("move_mount", e))?;
        if later {
            self.read_only_later.push(fs.try_clone().map_err(|_| ("dup", Errno::MFILE))?);
        }
        match filesystem {
            "proc" if self.proc.is_none() => self.proc = Some(fs),
            "devpts" if self.devpts.is_none() => self.devpts = Some(fs),
            "tmpfs" if destination == Path::new("/dev") => self.dev = Some(fs),
            _ => {}
        }
        Ok(())
    }

    /// Binds a program of the host, read-only.
    pub(crate) fn bind_program(&self, tree: &OwnedFd, destination: &Path) -> Result<()> {
        let failed = |errno| Failure::new(Step::Mount, format!("mount of {}", destination.display()), errno);
        let target = self.tree.open_or_make(destination, Missing::File).map_err(failed)?;
        place(tree, &target).map_err(failed)
    }

    /// A tmpfs with one directory for each hierarchy, and links for controllers that share one.
    fn cgroup_v1(&mut self, target: &OwnedFd, hierarchies: Vec<CgroupV1>, options: &Options) -> Result<()> {
        let context = |errno| Failure::new(Step::Cgroup, "mount of the cgroup hierarchies", errno);
        let mut tmpfs = Options { attributes: options.attributes, ..Options::default() };
        let read_only = tmpfs.attributes.set & attr::RDONLY != 0;
        tmpfs.attributes.set &= !attr::RDONLY;
        tmpfs.data.push(("mode".to_owned(), Some("755".to_owned())));
        let top = new_filesystem("tmpfs", "tmpfs", &tmpfs, self.label).map_err(|(_, errno)| context(errno))?;
        place(&top, target).map_err(context)?;
        for hierarchy in hierarchies {
            place_hierarchy(&top, hierarchy, options, read_only).map_err(context)?;
        }
        if read_only {
            self.read_only_later.push(top);
        }
        Ok(())
    }

    /// Makes read-only what had to be writable for the mounts below it.
    pub(crate) fn finish(self) -> Result<()> {
        let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        self.read_only_later
            .iter()
            .try_for_each(|fs| mount_setattr(fs.as_fd(), c"", false, &read_only))
            .context(Step::Mount, "mount_setattr read-only")
    }
}

fn place_hierarchy(top: &OwnedFd, hierarchy: CgroupV1, options: &Options, read_only: bool) -> Outcome<()> {
    let CgroupV1 { name, controllers, tree } = hierarchy;
    rustix::fs::mkdirat(top, &name, Mode::from_raw_mode(0o755))?;
    let at = open_child(top.as_fd(), &name)?;
    let fs = match tree {
        Some(tree) => tree,
        None => cgroup_filesystem(&controllers, options)?,
    };
    if !read_only {
        let writable = MountAttr { clear: attr::RDONLY, ..MountAttr::default() };
        mount_setattr(fs.as_fd(), c"", false, &writable)?;
    }
    place(&fs, &at)?;
    if controllers.len() > 1 {
        for controller in controllers.iter().filter(|c| **c != name) {
            rustix::fs::symlinkat(name.as_str(), top, controller.as_str())?;
        }
    }
    Ok(())
}

/// A procfs of this process' PID namespace that is mounted nowhere.
pub(crate) fn private_proc() -> Result<OwnedFd> {
    procfs("proc", &Options::default(), None)
        .map_err(|(what, errno)| Failure::new(Step::Mount, format!("private procfs: {what}"), errno))
}

/// A new procfs, of another PID namespace if given.
fn procfs(
    source: &str,
    options: &Options,
    pids: Option<&OwnedFd>,
) -> std::result::Result<OwnedFd, (&'static str, Errno)> {
    let Some(pids) = pids else { return new_filesystem("proc", source, options, "") };
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|e| ("fsopen", e))?;
    // Since Linux 6.17. Before, somebody in that namespace has to make it.
    if fsconfig_set_fd(&fs, "pidns", pids).is_err() {
        return foreign::in_fork(|| {
            move_into_link_name_space(pids.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
            foreign::in_fork(|| new_filesystem("proc", source, options, "").map_err(|(_, errno)| errno))
        })
        .map_err(|e| ("procfs of a joined pid namespace", e));
    }
    finish_filesystem(&fs, "proc", source, options, "")
}

/// Puts a detached mount on a directory or file.
pub(crate) fn place(mount: &OwnedFd, target: &OwnedFd) -> Outcome<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

pub(crate) fn open_child(dir: BorrowedFd<'_>, name: &str) -> Outcome<OwnedFd> {
    rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// A new, detached file system. The error says which step failed.
pub(crate) fn new_filesystem(
    filesystem: &str,
    source: &str,
    options: &Options,
    label: &str,
) -> std::result::Result<OwnedFd, (&'static str, Errno)> {
    let fs = fsopen(filesystem, FsOpenFlags::FSOPEN_CLOEXEC).map_err(|e| ("fsopen", e))?;
    finish_filesystem(&fs, filesystem, source, options, label)
}

fn finish_filesystem(
    fs: &OwnedFd,
    filesystem: &str,
    source: &str,
    options: &Options,
    label: &str,
) -> std::result::Result<OwnedFd, (&'static str, Errno)> {
    if !source.is_empty() {
        // Pseudo file systems do not care, and some refuse.
        let set = fsconfig_set_string(fs, "source", source);
        if source.starts_with('/') {
            set.map_err(|e| ("fsconfig source", e))?;
        }
    }
    for (key, value) in &options.data {
        match value {
            Some(value) => fsconfig_set_string(fs, key.as_str(), value.as_str()),
            None => fsconfig_set_flag(fs, key.as_str()),
        }
        .map_err(|e| ("fsconfig", e))?;
    }
    if !label.is_empty() && matches!(filesystem, "tmpfs" | "devpts" | "mqueue") {
        fsconfig_set_string(fs, "context", label).map_err(|e| ("fsconfig context", e))?;
    }
    fsconfig_create(fs).map_err(|e| ("fsconfig create", e))?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(options.attributes.set).unwrap_or(0));
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|e| ("fsmount", e))
}

fn cgroup_filesystem(controllers: &[String], options: &Options) -> Outcome<OwnedFd> {
    let mut own = Options { attributes: options.attributes, ..Options::default() };
    for controller in controllers {
        own.data.push(match controller.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (controller.clone(), None),
        });
        if controller.starts_with("name=") {
            own.data.push(("none".to_owned(), None));
        }
    }
    new_filesystem("cgroup", "cgroup", &own, "").map_err(|(_, errno)| errno)
}

/// Takes over a directory's mode unless the options say otherwise.
fn keep_mode(options: &mut Options, target: &OwnedFd) -> Outcome<()> {
    if options.has_data("mode") {
        return Ok(());
    }
    let stat = rustix::fs::statat(target, "", AtFlags::EMPTY_PATH)?;
    options.data.push(("mode".to_owned(), Some(format!("{:04o}", stat.st_mode & 0o7777))));
    Ok(())
}

/// Whether a path leads to a directory without a symbolic link at its end.
fn plainly_at(tree: &Tree, destination: &Path) -> bool {
    let clean: PathBuf = destination.components().filter(|c| matches!(c, Component::Normal(_))).collect();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(tree.root(), &clean, flags, Mode::empty());
    found.and_then(|fd| rustix::fs::fstat(&fd)).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory)
}

/// Refuses mounts over procfs, but for a few files: they would hide what protects the container, or what is written to
/// (security labels) would go somewhere else.
fn check_proc(target: &OwnedFd, destination: &Path, kind: &Kind) -> std::result::Result<(), String> {
    let magic = |fd: &OwnedFd| rustix::fs::fstatfs(fd).map(|s| s.f_type).map_err(words);
    let clean: PathBuf = destination.components().filter(|c| !matches!(c, Component::CurDir)).collect();
    let on_proc = magic(target)? == PROC_MAGIC;
    let is_proc = match kind {
        Kind::New { filesystem } => filesystem == "proc",
        Kind::Bind { tree, .. } => magic(tree)? == PROC_MAGIC,
        Kind::CgroupV1 { .. } => false,
    };
    let Ok(below) = clean.strip_prefix("/proc") else {
        // A link led into procfs under another name.
        return if on_proc { Err(inside_proc(&clean)) } else { Ok(()) };
    };
    if below.as_os_str().is_empty() {
        if is_proc {
            return Ok(());
        }
        return Err(format!("{} cannot be mounted because it is not of type proc", quoted(&clean.to_string_lossy())));
    }
    let plain = !below.components().any(|c| c == Component::ParentDir);
    if plain && PROC_FILES.iter().any(|f| below == Path::new(f)) { Ok(()) } else { Err(inside_proc(&clean)) }
}

fn inside_proc(path: &Path) -> String {
    format!("{} cannot be mounted because it is inside /proc", quoted(&path.to_string_lossy()))
}
