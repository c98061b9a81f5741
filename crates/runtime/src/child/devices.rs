//! Device nodes and links in /dev.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use fsroot::Tree;
use oci::runtime::Device;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use shim_proto::Step;

use crate::child::mounts::{Mounter, open_child, place};
use crate::failure::{Context as _, Failure, Result};

/// Devices every container has: name, minor and major (runtime-spec config-linux.md, "Default Devices").
const DEFAULT: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("random", 1, 8), ("full", 1, 7), ("tty", 5, 0), ("zero", 1, 5), ("urandom", 1, 9)];
/// Links every container has.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// A node to be made.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    kind: FileType,
    numbers: (u32, u32),
    mode: u32,
    /// Its path on the host, for user namespaces, where it is bound.
    host: &'a str,
}

/// Makes nodes and links and returns a null device that nobody else can have replaced. A /dev that is bound from the
/// host is left as it is.
pub(crate) fn make(tree: &Tree, mounter: &Mounter<'_>, devices: &[Device], user_namespace: bool) -> Result<OwnedFd> {
    let Some(dev) = mounter.dev().context(Step::Mount, "open /dev")? else { return private_null() };
    let dev = dev.as_fd();
    for (name, major, minor) in DEFAULT {
        let host = format!("/dev/{name}");
        let node = Node { kind: FileType::CharacterDevice, numbers: (major, minor), mode: 0o666, host: &host };
        make_node(dev, Path::new(name), node, user_namespace)?;
    }
    for device in devices {
        make_one(tree, dev, device, user_namespace)?;
    }
    for (name, target) in LINKS {
        link(dev, name, target)?;
    }
    if Path::new("/proc/kcore").exists() {
        link(dev, "core", "/proc/kcore")?;
    }
    if mounter.devpts().is_some() {
        match rustix::fs::unlinkat(dev, "ptmx", AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => {}
            other => other.context(Step::Mount, "error setting up ptmx")?,
        }
        link(dev, "ptmx", "pts/ptmx")?;
    }
    let null = open_child(dev, "null").context(Step::Mount, "open /dev/null")?;
    let stat = rustix::fs::fstat(&null).context(Step::Mount, "fstat /dev/null")?;
    // Something may have been mounted on it.
    if is_node(&stat, FileType::CharacterDevice, (1, 3)) { Ok(null) } else { private_null() }
}

fn is_node(stat: &rustix::fs::Stat, kind: FileType, (major, minor): (u32, u32)) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
        && (kind == FileType::Fifo || stat.st_rdev == rustix::fs::makedev(major, minor))
}

fn link(dev: BorrowedFd<'_>, name: &str, target: &str) -> Result<()> {
    match rustix::fs::symlinkat(target, dev, name) {
        Err(Errno::EXIST) => Ok(()),
        other => {
            other.with_context(Step::Mount, || format!("error setting up /dev symlinks: symlink {target} /dev/{name}"))
        }
    }
}

fn make_one(tree: &Tree, dev: BorrowedFd<'_>, device: &Device, user_namespace: bool) -> Result<()> {
    let text = || format!("error creating device nodes: {}", device.path);
    let invalid = |what: &str| Failure::plain(Step::Mount, format!("{}: {what}", text())).at(&device.path);
    let failed = |errno| Failure::new(Step::Mount, text(), errno).at(&device.path);
    let kind = match device.r#type.as_str() {
        "c" | "u" => FileType::CharacterDevice,
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        _ => return Err(invalid("not a valid device type")),
    };
    let number = |n: i64| u32::try_from(n).map_err(|_| invalid("not a valid device number"));
    let numbers = (number(device.major)?, number(device.minor)?);
    let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
    let path = Path::new(&device.path);
    // Directly below /dev nothing but our own tmpfs is walked; elsewhere the path is resolved inside the root.
    let simple = path.strip_prefix("/dev").ok().filter(|rest| rest.components().count() == 1);
    let (parent, name) = match simple {
        Some(name) => (dev.try_clone_to_owned().context(Step::Mount, "dup")?, name.to_owned()),
        None => tree.parent_of(path).map_err(failed)?.ok_or_else(|| invalid("no file name"))?,
    };
    make_node(parent.as_fd(), &name, Node { kind, numbers, mode, host: &device.path }, user_namespace)?;
    if (device.uid, device.gid) != (None, None) && !user_namespace {
        // To the kernel the largest number says "as it is".
        let id = |id: Option<u32>| id.filter(|id| *id != u32::MAX);
        let (uid, gid) = (id(device.uid).map(Uid::from_raw), id(device.gid).map(Gid::from_raw));
        rustix::fs::chownat(&parent, &name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    }
    Ok(())
}

/// Makes one node, or binds the host's in a user namespace (where nodes cannot be made).
fn make_node(parent: BorrowedFd<'_>, name: &Path, node: Node<'_>, user_namespace: bool) -> Result<()> {
    let Node { kind, numbers, mode, host } = node;
    let failed =
        |errno| Failure::new(Step::Mount, format!("error creating device nodes: mknod {host}"), errno).at(host);
    if user_namespace {
        return bind_node(parent, name, host).map_err(failed);
    }
    let device = rustix::fs::makedev(numbers.0, numbers.1);
    match rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(mode), device) {
        Err(Errno::EXIST) => {}
        // A user namespace that was there before.
        Err(Errno::PERM) => return bind_node(parent, name, host).map_err(failed),
        // The umask is 0, so the mode is as wanted.
        other => return other.map_err(failed),
    }
    // Something is there: that very device, or a mount that the user wants there.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed)?;
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    let mounted = rustix::fs::fstat(parent).map_err(failed)?.st_dev != stat.st_dev;
    if mounted || is_node(&stat, kind, numbers) { Ok(()) } else { Err(failed(Errno::EXIST)) }
}

fn bind_node(parent: BorrowedFd<'_>, name: &Path, host: &str) -> std::result::Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o666)) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let at = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(parent, name, at, Mode::empty())?;
    let tree = open_tree(CWD, host, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    place(&tree, &target)
}

/// The host's null device as a mount that is attached nowhere yet, for containers whose /dev is not ours.
fn private_null() -> Result<OwnedFd> {
    let failed = |errno| Failure::new(Step::Mount, "private /dev/null", errno);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let null = open_tree(CWD, "/dev/null", flags).map_err(failed)?;
    let stat = rustix::fs::statat(&null, "", AtFlags::EMPTY_PATH).map_err(failed)?;
    if is_node(&stat, FileType::CharacterDevice, (1, 3)) { Ok(null) } else { Err(failed(Errno::NODEV)) }
}
