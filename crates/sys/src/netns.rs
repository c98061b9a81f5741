//! Work inside another network namespace: always on a thread that is thrown away, so that no thread of the daemon is
//! ever left in the wrong one (network_namespaces(7), setns(2): a network namespace belongs to the single thread).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

const STACK: usize = 256 * 1024;

/// Runs `work` on a thread of its own inside a network namespace made for it; the second value keeps that namespace.
pub fn in_new<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<(T, OwnedFd)> {
    on_thread(|| {
        // SAFETY: only CLONE_NEWNET is unshared, which no descriptor table, memory or filesystem state of other
        // threads depends on; this thread ends right after `work`.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        let namespace = open_current()?;
        Ok((work(), namespace))
    })
}

/// Runs `work` on a thread of its own inside `namespace`.
pub fn within<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_thread(|| {
        rustix::thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        Ok(work())
    })
}

/// A handle of the calling thread's network namespace.
pub fn open_current() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let handle = thread::Builder::new().name("netns".to_owned()).stack_size(STACK).spawn_scoped(scope, work)?;
        handle.join().unwrap_or_else(|_| Err(io::Error::other("panic on a namespace thread")))
    })
}

/// A switch of a netlink socket (netlink(7), "Socket options").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetlinkOption {
    /// Acknowledgements do not repeat the request.
    CapAck,
    /// Refusals come with an explanation.
    ExtAck,
    /// Dump requests are filtered by the kernel.
    StrictCheck,
}

/// Turns a switch of a netlink socket on.
pub fn set_netlink_option(socket: BorrowedFd<'_>, option: NetlinkOption) -> io::Result<()> {
    let name = match option {
        NetlinkOption::CapAck => libc::NETLINK_CAP_ACK,
        NetlinkOption::ExtAck => libc::NETLINK_EXT_ACK,
        NetlinkOption::StrictCheck => libc::NETLINK_GET_STRICT_CHK,
    };
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the descriptor is open for the call, and the pointer and length describe `on`, which outlives it.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_NETLINK, name, (&raw const on).cast(), length) };
    crate::check(i64::from(result))?;
    Ok(())
}

/// The index of an interface in the calling thread's network namespace; `None` if there is none of this name.
pub fn interface_index(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: `name` is a valid C string for the duration of the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Sets the loopback interface of the calling thread's network namespace up.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: an all-zero `ifreq` is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: `request` is a valid `ifreq` with a terminated name and its flags set, and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    crate::check(i64::from(result))?;
    Ok(())
}

/// Whether an interface has a carrier. As a side effect (wanted by callers that have just set it up) the kernel first deals
/// with a change of the carrier that it would otherwise deal with later, from a work queue: from then on a port of a
/// bridge forwards, and a bridge sends (`ETHTOOL_GLINK` and `linkwatch_sync_dev`, net/core/link_watch.c).
pub fn settle_carrier(name: &str) -> io::Result<bool> {
    const ETHTOOL_GLINK: u32 = 0x0000_000a;
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    let mut value = Value { command: ETHTOOL_GLINK, data: 0 };
    // SAFETY: an all-zero `ifreq` is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: `request` is a valid `ifreq` with a terminated name, and its data points to an `ethtool_value` of the size
    // that this command reads and writes; both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    crate::check(i64::from(result))?;
    Ok(value.data != 0)
}
