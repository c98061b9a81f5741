//! Descriptors handed to whoever asked for them on a socket.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::error::{Result, at};

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Receiver {
    socket: OwnedFd,
}

impl Receiver {
    /// Connects, so that a wrong path is an error before anything is made.
    pub(crate) fn connect(path: &str) -> Result<Self> {
        let failed = |errno: Errno| at("dial unix", path)(errno);
        let address = SocketAddrUnix::new(Path::new(path)).map_err(failed)?;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(failed)?;
        rustix::net::connect(&socket, &address).map_err(failed)?;
        Ok(Self { socket })
    }

    /// Sends a descriptor. The text with it is its name, by convention.
    pub(crate) fn send(&self, name: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let text = [IoSlice::new(name.as_bytes())];
        let sent = rustix::net::sendmsg(self.socket.as_fd(), &text, &mut ancillary, SendFlags::NOSIGNAL);
        sent.map(drop).map_err(at("sendmsg", name))
    }
}
