//! The byte streams below HTTP, and the raw streams that attach and exec turn a connection into.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ClientConnection, StreamOwned};

/// One connection to the engine.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Whether an idle connection can still be used: nothing to read (neither data nor end).
    pub(crate) fn is_quiet(&self) -> bool {
        let fd = self.as_fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }

    fn split(self) -> io::Result<(ReadHalf, WriteHalf)> {
        Ok(match self {
            Self::Unix(s) => (ReadHalf::Unix(s.try_clone()?), WriteHalf::Unix(s)),
            Self::Tcp(s) => (ReadHalf::Tcp(s.try_clone()?), WriteHalf::Tcp(s)),
            Self::Tls(s) => {
                let poller = s.sock.try_clone()?;
                let shared = Arc::new(Mutex::new(*s));
                (ReadHalf::Tls { shared: Arc::clone(&shared), poller }, WriteHalf::Tls { shared })
            }
        })
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(s) => s.as_fd(),
            Self::Tcp(s) => s.as_fd(),
            Self::Tls(s) => s.sock.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(buf),
            Self::Tcp(s) => s.read(buf),
            Self::Tls(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.write(buf),
            Self::Tcp(s) => s.write(buf),
            Self::Tls(s) => s.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(_) | Self::Tcp(_) => Ok(()),
            Self::Tls(s) => s.flush(),
        }
    }
}

type SharedTls = Arc<Mutex<StreamOwned<ClientConnection, TcpStream>>>;

fn lock(shared: &SharedTls) -> MutexGuard<'_, StreamOwned<ClientConnection, TcpStream>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
enum ReadHalf {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls { shared: SharedTls, poller: TcpStream },
}

#[derive(Debug)]
enum WriteHalf {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls { shared: SharedTls },
}

/// A connection that has become a raw stream in both directions.
#[derive(Debug)]
pub struct Hijacked {
    /// From the engine.
    pub reader: HijackedReader,
    /// To the engine.
    pub writer: HijackedWriter,
    /// The `Content-Type` of the switch: tells a raw stream from a multiplexed one.
    pub content_type: String,
}

/// The engine's half.
#[derive(Debug)]
pub struct HijackedReader {
    left: Vec<u8>,
    at: usize,
    half: ReadHalf,
}

/// Our half.
#[derive(Debug)]
pub struct HijackedWriter {
    half: WriteHalf,
}

impl Hijacked {
    pub(crate) fn new(stream: Stream, left: Vec<u8>, content_type: String) -> io::Result<Self> {
        let (read, write) = stream.split()?;
        Ok(Self {
            reader: HijackedReader { left, at: 0, half: read },
            writer: HijackedWriter { half: write },
            content_type,
        })
    }
}

impl HijackedReader {
    /// Ends both directions; a read in another thread returns.
    pub fn shutdown(&self) {
        let _ = match &self.half {
            ReadHalf::Unix(s) => s.shutdown(Shutdown::Both),
            ReadHalf::Tcp(s) => s.shutdown(Shutdown::Both),
            ReadHalf::Tls { poller, .. } => poller.shutdown(Shutdown::Both),
        };
    }
}

impl Read for HijackedReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at < self.left.len() {
            let n = buf.len().min(self.left.len() - self.at);
            buf[..n].copy_from_slice(&self.left[self.at..self.at + n]);
            self.at += n;
            return Ok(n);
        }
        match &mut self.half {
            ReadHalf::Unix(s) => s.read(buf),
            ReadHalf::Tcp(s) => s.read(buf),
            ReadHalf::Tls { shared, poller } => read_tls(shared, poller, buf),
        }
    }
}

/// Waits without the lock, so that the writer can go on meanwhile.
fn read_tls(shared: &SharedTls, poller: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        {
            let mut guard = lock(shared);
            let tls = &mut *guard;
            match tls.conn.reader().read(buf) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(e) => return Err(e),
            }
            let fd = poller.as_fd();
            let mut fds = [PollFd::new(&fd, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            if ready > 0 {
                tls.conn.read_tls(&mut tls.sock)?;
                tls.conn.process_new_packets().map_err(io::Error::other)?;
                continue;
            }
        }
        let fd = poller.as_fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

impl HijackedWriter {
    /// Tells the engine that nothing more comes (end of stdin).
    ///
    /// # Errors
    /// shutdown(2).
    pub fn close_write(&mut self) -> io::Result<()> {
        match &mut self.half {
            WriteHalf::Unix(s) => s.shutdown(Shutdown::Write),
            WriteHalf::Tcp(s) => s.shutdown(Shutdown::Write),
            WriteHalf::Tls { shared } => {
                let mut guard = lock(shared);
                let tls = &mut *guard;
                tls.conn.send_close_notify();
                tls.conn.write_tls(&mut tls.sock).map(|_| ())
            }
        }
    }
}

impl Write for HijackedWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.half {
            WriteHalf::Unix(s) => s.write(buf),
            WriteHalf::Tcp(s) => s.write(buf),
            WriteHalf::Tls { shared } => lock(shared).write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.half {
            WriteHalf::Unix(_) | WriteHalf::Tcp(_) => Ok(()),
            WriteHalf::Tls { shared } => lock(shared).flush(),
        }
    }
}
