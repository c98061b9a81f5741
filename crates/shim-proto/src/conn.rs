//! One connection: a SOCK_SEQPACKET socket that carries JSON messages and descriptors.
//!
//! A message is one datagram: the byte `0` and JSON, or the byte `1` alone with a memfd of JSON as its first descriptor
//! (messages above [`INLINE_LIMIT`]).

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode};
use rustix::io::{Errno, FdFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Messages above this many bytes travel in a memfd.
pub const INLINE_LIMIT: usize = 32 * 1024;
/// Largest message accepted, in bytes.
pub const MESSAGE_LIMIT: u64 = 64 * 1024 * 1024;
/// Most descriptors with one message, the memfd included.
const MAX_FDS: usize = 4;

const INLINE: u8 = 0;
const IN_MEMFD: u8 = 1;

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum ConnError {
    /// Non-blocking socket, and it would have blocked.
    #[error("connection would block")]
    WouldBlock,
    /// The other side is gone.
    #[error("connection closed")]
    Closed,
    /// The socket failed.
    #[error("connection failed: {0}")]
    Io(#[source] io::Error),
    /// A message could not be written as JSON.
    #[error("message cannot be encoded: {0}")]
    Encode(#[source] serde_json::Error),
    /// A message is not what it should be. The connection is still usable.
    #[error("malformed message: {0}")]
    Decode(#[source] serde_json::Error),
    /// A datagram that breaks the framing, or is too large.
    #[error("broken framing")]
    Framing,
}

impl From<Errno> for ConnError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN => Self::Closed,
            other => Self::Io(other.into()),
        }
    }
}

/// A connected socket between daemon and shim, or daemon and launcher.
#[derive(Debug)]
pub struct Conn {
    fd: OwnedFd,
}

impl Conn {
    /// Takes a connected SOCK_SEQPACKET socket.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Two connected ends, blocking, close-on-exec.
    ///
    /// # Errors
    /// socketpair(2) failed.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { fd: a }, Self { fd: b }))
    }

    /// Connects to a shim's socket ([`ShimPlan::socket`](crate::ShimPlan::socket)). Does not wait for anything.
    /// Paths longer than a `sockaddr_un` holds are reached through /proc/self/fd.
    ///
    /// # Errors
    /// [`ConnError::Closed`] when nobody listens there, [`ConnError::Io`] otherwise (`NotFound`: no such socket).
    pub fn connect(path: &Path) -> Result<Self, ConnError> {
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        crate::address::with(path, |address: &SocketAddrUnix| rustix::net::connect(&fd, address))?;
        Ok(Self { fd })
    }

    /// Listens on a path, mode 0600, non-blocking; an old socket there is replaced. [`Self::accept`] takes the callers.
    ///
    /// # Errors
    /// socket(2), bind(2), listen(2).
    pub fn listen(path: &Path) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        match rustix::fs::unlink(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        // Linux makes the socket file with the mode of the socket's own inode.
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o600))?;
        crate::address::with(path, |address: &SocketAddrUnix| rustix::net::bind(&fd, address))?;
        rustix::net::listen(&fd, 16)?;
        Ok(fd)
    }

    /// Takes one caller from a listening socket; `None` when there is none. Callers other than root and the process' own
    /// user are turned away.
    ///
    /// # Errors
    /// accept(2).
    pub fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        loop {
            let fd = match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => fd,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let peer = rustix::net::sockopt::socket_peercred(&fd)?;
            if peer.uid.is_root() || peer.uid == rustix::process::geteuid() {
                return Ok(Some(Self { fd }));
            }
        }
    }

    /// Switches between blocking (as after [`Self::connect`]) and non-blocking.
    ///
    /// # Errors
    /// fcntl(2) failed.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.fd, on)?)
    }

    /// Sends one message and descriptors (at most 3).
    ///
    /// # Errors
    /// See [`ConnError`]. Nothing was sent then.
    pub fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), ConnError> {
        let mut bytes = vec![INLINE];
        serde_json::to_writer(&mut bytes, message).map_err(ConnError::Encode)?;
        if bytes.len() <= INLINE_LIMIT {
            return self.send_raw(&bytes, fds);
        }
        let body = bytes.get(1..).unwrap_or_default();
        let memfd = rustix::fs::memfd_create("gantry-message", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memfd);
        file.write_all(body).and_then(|()| file.rewind()).map_err(ConnError::Io)?;
        let mut all = vec![file.as_fd()];
        all.extend_from_slice(fds);
        self.send_raw(&[IN_MEMFD], &all)
    }

    fn send_raw(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), ConnError> {
        if fds.len() > MAX_FDS {
            return Err(ConnError::Framing);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(ConnError::Framing);
        }
        loop {
            match rustix::net::sendmsg(&self.fd, &[io::IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Receives one message and its descriptors; `None` at the end of the connection.
    ///
    /// # Errors
    /// See [`ConnError`]. After [`ConnError::Decode`] the next message can be received.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, ConnError> {
        let mut buffer = vec![0_u8; INLINE_LIMIT + 1];
        let (length, mut fds) = self.recv_raw(&mut buffer)?;
        let Some((&kind, body)) = buffer.get(..length).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        let message = match kind {
            INLINE => serde_json::from_slice(body).map_err(ConnError::Decode)?,
            IN_MEMFD if !fds.is_empty() => {
                let mut file = File::from(fds.remove(0));
                if file.metadata().map_err(ConnError::Io)?.len() > MESSAGE_LIMIT {
                    return Err(ConnError::Framing);
                }
                let mut text = Vec::new();
                file.rewind().map_err(ConnError::Io)?;
                file.take(MESSAGE_LIMIT).read_to_end(&mut text).map_err(ConnError::Io)?;
                serde_json::from_slice(&text).map_err(ConnError::Decode)?
            }
            _ => return Err(ConnError::Framing),
        };
        Ok(Some((message, fds)))
    }

    fn recv_raw(&self, buffer: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), ConnError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [io::IoSliceMut::new(buffer)];
            match rustix::net::recvmsg(&self.fd, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => break received,
                // The other side went away without reading all of ours: said once, before what it sent last.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.flags.contains(rustix::net::ReturnFlags::TRUNC)
            || received.flags.contains(rustix::net::ReturnFlags::CTRUNC)
        {
            return Err(ConnError::Framing);
        }
        Ok((received.bytes, fds))
    }

    /// The socket, closed on exec or not.
    ///
    /// # Errors
    /// fcntl(2) failed.
    pub fn set_cloexec(&self, on: bool) -> io::Result<()> {
        let flags = if on { FdFlags::CLOEXEC } else { FdFlags::empty() };
        Ok(rustix::io::fcntl_setfd(&self.fd, flags)?)
    }

    /// Gives the socket back.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::{Conn, ConnError};

    #[test]
    fn small_and_large_messages_and_descriptors() {
        let (a, b) = Conn::pair().unwrap();
        let (x, y) = Conn::pair().unwrap();
        for size in [0, 10, super::INLINE_LIMIT - 4, super::INLINE_LIMIT, 1_000_000] {
            let text = "x".repeat(size);
            a.send(&text, &[x.as_fd()]).unwrap();
            let (got, fds) = b.recv::<String>().unwrap().unwrap();
            assert_eq!((got, fds.len()), (text, 1));
        }
        drop((x, y));
        b.send(&7, &[]).unwrap();
        assert_eq!(a.recv::<u32>().unwrap().unwrap().0, 7);
        drop(a);
        assert!(b.recv::<u32>().unwrap().is_none());
        assert!(matches!(b.send(&7, &[]), Err(ConnError::Closed)));
    }

    #[test]
    fn listening() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for name in ["short".to_owned(), "l".repeat(200)] {
            let path = dir.path().join(name).join("shim.sock");
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            assert!(Conn::connect(&path).is_err());
            let listener = Conn::listen(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(Conn::accept(listener.as_fd()).unwrap().is_none());
            let caller = Conn::connect(&path).unwrap();
            let taken = Conn::accept(listener.as_fd()).unwrap().unwrap();
            caller.send(&1, &[]).unwrap();
            assert_eq!(taken.recv::<u32>().unwrap().unwrap().0, 1);
            drop(listener);
            assert!(Conn::listen(&path).is_ok());
        }
    }

    #[test]
    fn last_words_of_one_who_did_not_listen() {
        let (a, b) = Conn::pair().unwrap();
        a.send(&1, &[]).unwrap();
        b.send(&2, &[]).unwrap();
        drop(b);
        assert_eq!(a.recv::<u32>().unwrap().unwrap().0, 2);
        assert!(a.recv::<u32>().unwrap().is_none());
    }

    #[test]
    fn a_malformed_message_does_not_end_the_connection() {
        let (a, b) = Conn::pair().unwrap();
        a.send(&"no number", &[]).unwrap();
        a.send(&8, &[]).unwrap();
        assert!(matches!(b.recv::<u32>(), Err(ConnError::Decode(_))));
        assert_eq!(b.recv::<u32>().unwrap().unwrap().0, 8);
        b.set_nonblocking(true).unwrap();
        assert!(matches!(b.recv::<u32>(), Err(ConnError::WouldBlock)));
    }
}
