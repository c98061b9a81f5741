//! The files of a container, for `cp`, `export` and `diff`. Names are resolved by the kernel inside the container's
//! root (`fsroot`); archives are read and written on handles.

use std::io::{BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use archive::{Applier, ApplyOptions, Decoder, Limits, Packer, Reader, Whiteouts};
use fsroot::Root;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};

use super::{ContainerView, Containers};
use crate::Error;

/// Links that are followed before a path counts as a loop (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The last component as the caller wrote it.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Type and permission bits as Go's `os.FileMode` has them.
    pub mode: u32,
    /// Nanoseconds since the epoch.
    pub mtime: i64,
    /// Where a symbolic link leads to in the end, inside the container; else empty.
    pub link_target: String,
}

/// How to put files into a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extract {
    /// Do not put a directory in the place of something else, or the other way round.
    pub keep_kinds: bool,
    /// Give everything to this user and group.
    pub owner: Option<(u32, u32)>,
}

/// A container's files, open. Its methods block.
#[derive(Debug)]
pub struct Tree {
    root: Root,
    view: Arc<ContainerView>,
    reference: String,
}

/// What a tree is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeUse {
    /// To read, with everything that is mounted in it while it runs.
    Read,
    /// To change.
    Write,
    /// To read what is its own: image and changes, nothing mounted.
    Export,
}

impl Containers {
    /// Opens the files of a container.
    ///
    /// # Errors
    /// Not found; a root file system that cannot be mounted.
    pub async fn tree(&self, reference: &str, wanted: TreeUse) -> Result<Tree, Error> {
        let handle = self.find(reference)?;
        let shared = self.shared.clone();
        let reference = reference.to_owned();
        let open = move || -> Result<Tree, Error> {
            let view = handle.view();
            let root = if view.state.is_alive() && wanted != TreeUse::Export {
                let root = running_root(&view)?;
                // The process may have gone, and its number to another, while we opened.
                if handle.view().state.pid != view.state.pid || !handle.view().state.is_alive() {
                    return Err(Error::Conflict(format!("container {} stopped meanwhile", view.id)));
                }
                root
            } else {
                let mount = shared.images.rootfs().rw_mount(&view.id, None)?;
                // Where something is to be mounted, its place may have to be made.
                let mounted = wanted != TreeUse::Export && !view.mounts.is_empty();
                let root =
                    overlay(&mount, mounted || wanted == TreeUse::Write).map_err(|e| io("mount", &mount.upper, e))?;
                if mounted { super::mounts::whole_tree(&shared, &view, root)? } else { Root::from_fd(root) }
            };
            Ok(Tree { root, view, reference })
        };
        tokio::task::spawn_blocking(open).await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// What a container's own layer changes.
    ///
    /// # Errors
    /// Not found; a layer that cannot be read.
    pub async fn changes(&self, reference: &str) -> Result<Vec<image::Change>, Error> {
        let view = self.find(reference)?.view();
        let shared = self.shared.clone();
        let read = move || Ok(without_mount_points(shared.images.rootfs().changes(&view.id)?));
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Tells that files went out of a container (`archive-path`), into it (`extract-to-dir`), or all of it
    /// (`export`).
    pub fn told_files(&self, reference: &str, action: &str) {
        if let Ok(handle) = self.find(reference) {
            self.emit_view(&handle, action, []);
        }
    }
}

/// Files that exist only for something to be mounted on them.
const MOUNT_POINTS: &[&str] = &[
    "/.dockerenv",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

/// Leaves out what the engine made itself (Docker keeps it in a layer below), and directories that changed by that
/// alone.
fn without_mount_points(changes: Vec<image::Change>) -> Vec<image::Change> {
    let made = |c: &image::Change| c.kind == image::ChangeKind::Added && MOUNT_POINTS.contains(&c.path.as_str());
    let (made, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(made);
    let parents = ["/etc", "/dev"].map(|dir| (dir, format!("{dir}/")));
    let alone = |c: &image::Change| {
        parents.iter().any(|(dir, below)| {
            c.path == *dir
                && made.iter().any(|m| m.path.starts_with(below))
                && !rest.iter().any(|r| r.path.starts_with(below))
        })
    };
    rest.iter().filter(|c| !alone(c)).cloned().collect()
}

/// The root as the container's first process sees it.
fn running_root(view: &ContainerView) -> Result<Root, Error> {
    let path = PathBuf::from(format!("/proc/{}/root", view.state.pid));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| io("open", &path, e))?;
    Ok(Root::from_fd(fd))
}

/// A mount of a container's layers that is attached nowhere and goes with its descriptor. To read, its own layer is
/// one more lower one, so that a running container's mount does not have a rival for it.
fn overlay(mount: &image::RootfsMount, writable: bool) -> Result<OwnedFd, Errno> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", "overlay")?;
    let own = (!writable).then_some(&mount.upper);
    for layer in own.into_iter().chain(&mount.lower) {
        fsconfig_set_string(&fs, "lowerdir+", layer)?;
    }
    if writable {
        fsconfig_set_string(&fs, "upperdir", &mount.upper)?;
        fsconfig_set_string(&fs, "workdir", &mount.work)?;
        // Kernels built without an index say EINVAL.
        let _ = fsconfig_set_string(&fs, "index", "off");
    }
    fsconfig_create(&fs)?;
    let flags = if writable { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

/// The same to read, for others.
pub(super) fn read_only(mount: &image::RootfsMount) -> Result<OwnedFd, Errno> {
    overlay(mount, false)
}

fn io(op: &'static str, path: &Path, errno: Errno) -> Error {
    Error::Io { op, path: path.to_owned(), source: errno.into() }
}

impl Tree {
    fn missing(&self, path: &str) -> Error {
        Error::NotFound(format!("Could not find the file {path} in container {}", self.reference))
    }

    /// Opens a path; `NOENT` and `NOTDIR` mean that it is not there.
    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Error> {
        self.root
            .open_inside(&absolute(path), flags, Mode::empty())
            .map_err(|e| if e.is_not_found() { self.missing(path) } else { Error::Invalid(e.to_string()) })
    }

    /// What is at a path. A link at its end is followed only if a slash or `/.` comes behind.
    ///
    /// # Errors
    /// Not there, or not to be read.
    pub fn stat(&self, path: &str) -> Result<PathStat, Error> {
        let fd = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = fstat(&fd).map_err(|e| io("stat", Path::new(path), e))?;
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let link_target =
            if link { self.follow(&absolute(path)).to_string_lossy().into_owned() } else { String::new() };
        Ok(PathStat {
            name: name_of(path),
            size: stat.st_size,
            mode: go_mode(&stat),
            mtime: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add_unsigned(stat.st_mtime_nsec),
            link_target,
        })
    }

    /// The mount that a path lies in, if any.
    fn mount_at(&self, path: &str) -> Option<&super::MountPoint> {
        let at = self.follow(&absolute(path));
        let inside = self.view.mounts.iter().filter(|p| at.starts_with(&p.destination));
        inside.max_by_key(|p| p.destination.len())
    }

    /// Where a path leads when all links are followed as far as they go.
    fn follow(&self, path: &Path) -> PathBuf {
        let mut done = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path);
        rest.reverse();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part.as_os_str() == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&part);
            let target = self
                .root
                .open_inside(&next, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
                .ok()
                .and_then(|fd| readlinkat(&fd, "", Vec::new()).ok())
                .and_then(|t| t.into_string().ok());
            match target {
                Some(target) if links < MAX_LINKS => {
                    links += 1;
                    if target.starts_with('/') {
                        done = PathBuf::from("/");
                    }
                    let mut more = parts(Path::new(&target));
                    more.reverse();
                    rest.append(&mut more);
                }
                _ => done = next,
            }
        }
        done
    }

    /// Writes what is at a path as an archive whose names begin with the path's last component.
    ///
    /// # Errors
    /// Not there; the output fails.
    pub fn pack<W: Write>(&self, path: &str, output: W) -> Result<(), Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut packer = Packer::new(output, Whiteouts::Plain);
        let name = name_of(path);
        let packed = if matches!(name.as_str(), "." | "/") {
            packer.add(self.open(path, flags)?, b".", b".")
        } else {
            let at = absolute(path.trim_end_matches('/'));
            let parent = at.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
            let own = if path.ends_with('/') { self.follow(&at) } else { at };
            match own.file_name() {
                Some(file) if path.ends_with('/') => {
                    let parent = own.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
                    packer.add(self.open(&parent, flags)?, file.as_encoded_bytes(), name.as_bytes())
                }
                _ => packer.add(self.open(&parent, flags)?, name.as_bytes(), name.as_bytes()),
            }
        };
        packed.and_then(|()| packer.finish()).map(drop).map_err(|e| Error::Conflict(e.to_string()))
    }

    /// Writes everything as an archive.
    ///
    /// # Errors
    /// The output fails.
    pub fn export<W: Write>(&self, output: W) -> Result<(), Error> {
        let mut packer = Packer::new(output, Whiteouts::Plain);
        let top = self.open("/", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let packed = packer.add_contents(top, b"").and_then(|()| packer.finish());
        packed.map(drop).map_err(|e| Error::Conflict(e.to_string()))
    }

    /// Unpacks an archive (plain or compressed) into a directory.
    ///
    /// # Errors
    /// No such directory; a root file system that is read-only; a broken archive.
    pub fn extract<R: Read>(&self, path: &str, input: R, how: Extract) -> Result<(), Error> {
        match self.mount_at(path) {
            Some(point) if !point.rw => return Err(Error::Forbidden("mounted volume is marked read-only".to_owned())),
            None if self.view.spec.host.readonly_rootfs => {
                return Err(Error::Forbidden("container rootfs is marked read-only".to_owned()));
            }
            _ => {}
        }
        let fd = self.open(path, OFlags::PATH)?;
        let stat = fstat(&fd).map_err(|e| io("stat", Path::new(path), e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Error::Invalid("extraction point is not a directory".to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(&fd, ".", flags, Mode::empty()).map_err(|e| io("open", Path::new(path), e))?;
        let bad = |e: archive::Error| Error::Invalid(e.to_string());
        let decoder = Decoder::new(BufReader::with_capacity(64 * 1024, input)).map_err(bad)?;
        let options = ApplyOptions {
            whiteouts: Whiteouts::Plain,
            owner: how.owner,
            keep_kinds: how.keep_kinds,
            ..ApplyOptions::default()
        };
        let mut reader = Reader::new(BufReader::new(decoder), Limits::default());
        Applier::new(dir, options).apply(&mut reader).map_err(bad)?;
        Ok(())
    }

    /// The numbers of the container's user and group, read from its own files.
    ///
    /// # Errors
    /// No such user.
    pub fn owner(&self) -> Result<(u32, u32), Error> {
        let read = |path: &str| {
            let bytes = self.root.read(Path::new(path), 8 << 20).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let user = &self.view.spec.config.user;
        let identity = bundle::user::resolve(user, &read("/etc/passwd"), &read("/etc/group"))
            .map_err(|e| Error::Invalid(e.to_string()))?;
        Ok((identity.uid, identity.gid))
    }
}

/// The path from the root on, with `/.` at its end if there was one.
fn absolute(path: &str) -> PathBuf {
    let mut all = PathBuf::from("/");
    all.extend(parts(Path::new(path)));
    if path.ends_with("/.") || path == "." || path.ends_with('/') {
        all.push(".");
    }
    all
}

fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .filter_map(|c| match c {
            Component::Normal(part) => Some(PathBuf::from(part)),
            Component::ParentDir => Some(PathBuf::from("..")),
            _ => None,
        })
        .collect()
}

/// Go's `filepath.Base`: the last component, `.` behind `/.`, `/` for the root.
fn name_of(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        None | Some("") => "/".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// Go's `os.FileMode` of a file.
fn go_mode(stat: &Stat) -> u32 {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special: u32 = special.iter().filter(|(bit, _)| stat.st_mode & bit != 0).map(|(_, go)| go).sum();
    kind | special | stat.st_mode & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_made_is_no_change() {
        let change = |kind, path: &str| image::Change { path: path.to_owned(), kind };
        use image::ChangeKind::{Added, Modified};
        let own = [change(Modified, "/etc"), change(Added, "/etc/hosts"), change(Added, "/etc/hostname")];
        assert_eq!(without_mount_points(own.to_vec()), []);
        let mut mixed = own.to_vec();
        mixed.push(change(Added, "/etc/x"));
        assert_eq!(without_mount_points(mixed), [change(Modified, "/etc"), change(Added, "/etc/x")]);
    }

    #[test]
    fn paths_keep_what_says_that_a_link_is_meant() {
        for (path, want, name) in [
            ("/etc/passwd", "/etc/passwd", "passwd"),
            ("etc", "/etc", "etc"),
            ("/etc/.", "/etc/.", "."),
            ("/etc/", "/etc/.", "etc"),
            ("/", "/.", "/"),
        ] {
            assert_eq!((absolute(path).to_str(), name_of(path).as_str()), (Some(want), name), "{path}");
        }
    }
}
