//! Network namespaces: made ahead of need, kept alive by a bind mount, reaped in the background.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use netlink::route::{AddrGen, Batch, LinkChange, LinkKind, LinkRef, Namespace, NewLink, Socket};
use rustix::fs::{Mode, OFlags};
use rustix::mount::UnmountFlags;

use crate::Error;
use crate::host::{Host, random, sysctl};

/// Index of `lo` in every namespace.
const LOOPBACK: u32 = 1;

/// A namespace that nobody has used, with its loopback up.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) handle: OwnedFd,
    /// A socket inside.
    pub(crate) socket: Socket,
    /// An interface pair that reaches into it.
    pub(crate) pair: Option<Pair>,
}

/// One interface pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Its end on the host.
    pub(crate) host_if: String,
    /// Index of its end inside.
    pub(crate) index: u32,
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Namespace { what, source }
}

fn refused(what: &'static str) -> impl Fn(netlink::Error) -> Error {
    move |source| Error::Netlink { what, source }
}

impl Fresh {
    /// Makes one, without an interface pair.
    pub(crate) fn bare() -> Result<Self, Error> {
        let (socket, handle) = sys::netns::in_new(|| -> Result<Socket, netlink::Error> {
            // Interfaces get IPv6 when their network has it. Absent on kernels without IPv6.
            let _ = sysctl("ipv6/conf/default/disable_ipv6", "1");
            let _ = sysctl("ipv6/conf/default/accept_ra", "0");
            // A neighbour must not be able to lead this container's packets elsewhere.
            for path in ["ipv4/conf/all/accept_redirects", "ipv4/conf/default/accept_redirects"] {
                let _ = sysctl(path, "0");
            }
            let mut socket = Socket::open()?;
            let mut batch = Batch::new();
            batch.set_link(LinkRef::Index(LOOPBACK), &LinkChange { up: Some(true), ..LinkChange::default() });
            socket.execute(&batch)?;
            Ok(socket)
        })
        .map_err(failed("make a network namespace"))?;
        Ok(Self { handle, socket: socket.map_err(refused("set up a network namespace"))?, pair: None })
    }

    /// Makes one with an interface pair `eth0`.
    pub(crate) fn with_pair(host: &Host) -> Result<Self, Error> {
        let mut fresh = Self::bare()?;
        fresh.pair = Some(add_pair(host, fresh.handle.as_fd(), &mut fresh.socket, "eth0")?);
        Ok(fresh)
    }
}

/// Adds an interface pair to a namespace; both ends are down and the host's has no bridge.
pub(crate) fn add_pair(host: &Host, namespace: BorrowedFd<'_>, inside: &mut Socket, name: &str) -> Result<Pair, Error> {
    let [a, b, c, d] = random()?;
    let host_if = format!("veth{:07x}", u32::from_ne_bytes([a, b, c, d]) >> 4);
    let peer = LinkChange { name: Some(name), namespace: Some(Namespace::Fd(namespace)), ..LinkChange::default() };
    let with = LinkChange { name: Some(&host_if), ..LinkChange::default() };
    let mut batch = Batch::new();
    batch.add_link(&NewLink { kind: LinkKind::Veth(peer), with });
    // The host's end is a port of a switch: it needs no address, nor the packets that come with one.
    let quiet = LinkChange { addr_gen: Some(AddrGen::None), ..LinkChange::default() };
    batch.set_link(LinkRef::Name(&host_if), &quiet);
    let refusals = host.route().execute_all(&batch).map_err(refused("create interface pair"))?;
    // A kernel without IPv6 refuses the second operation, and does not need it.
    if let Some((0, source)) = refusals.into_iter().next() {
        return Err(Error::Netlink { what: "create interface pair", source });
    }
    let found = inside.link(name).map_err(refused("find the interface"))?;
    match found {
        Some(link) => Ok(Pair { host_if, index: link.index }),
        None => Err(Error::Netlink {
            what: "find the interface",
            source: netlink::Error::Malformed("a new interface is not listed"),
        }),
    }
}

/// Keeps a namespace alive under a path.
pub(crate) fn keep(handle: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    let what = "keep the network namespace";
    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o444)).map_err(|e| failed(what)(e.into()))?;
    let source = format!("/proc/thread-self/fd/{}", handle.as_raw_fd());
    rustix::mount::mount_bind(source.as_str(), path).map_err(|e| {
        let _ = std::fs::remove_file(path);
        failed(what)(e.into())
    })
}

/// Ends [`keep`]; missing pieces do not matter.
pub(crate) fn forget(path: &Path) {
    // Stacked mounts of an unclean past go too.
    while rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "namespace file not removed");
    }
}

/// Opens a kept namespace; an error if the path is no namespace (its mount is gone).
pub(crate) fn open(path: &Path) -> Result<OwnedFd, Error> {
    let what = "open the network namespace";
    let fd =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| failed(what)(e.into()))?;
    let kind = rustix::fs::fstatfs(&fd).map_err(|e| failed(what)(e.into()))?.f_type;
    // NSFS_MAGIC (linux/magic.h)
    if kind != 0x6e73_6673 {
        return Err(failed(what)(io::Error::from_raw_os_error(rustix::io::Errno::INVAL.raw_os_error())));
    }
    Ok(fd)
}

/// A netlink socket inside a namespace.
pub(crate) fn socket_in(namespace: BorrowedFd<'_>) -> Result<Socket, Error> {
    sys::netns::within(namespace, Socket::open)
        .map_err(failed("enter the network namespace"))?
        .map_err(refused("open a netlink socket"))
}
