//! One attached client: a stream socket whose other end the daemon has.

use std::io::IoSlice;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use crate::poller::{Interest, Poller};
use crate::token::Token;

/// A client with this much pending is full: the process waits for it.
const FULL: usize = 64 * 1024;

/// The other side has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    fd: OwnedFd,
    /// Whether its bytes go to the standard input (until it ends them).
    pub(crate) stdin: bool,
    /// Which outputs it wants.
    wants: [bool; 2],
    pending: Vec<u8>,
    interest: Interest,
    /// It hung up while its input could not be taken: not watched until it can.
    parked: bool,
    /// Nothing more will be sent: it is closed when nothing is pending.
    finishing: bool,
}

impl Client {
    /// Takes our end and waits for news of it.
    pub(crate) fn new(
        fd: OwnedFd,
        stdin: bool,
        wants: [bool; 2],
        poller: &Poller,
        token: Token,
    ) -> Result<Self, Errno> {
        poller.add(fd.as_fd(), token, Interest::NONE)?;
        Ok(Self { fd, stdin, wants, pending: Vec::new(), interest: Interest::NONE, parked: false, finishing: false })
    }

    /// Whether the process has to wait for it.
    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= FULL
    }

    /// Whether everything was sent, and nothing will follow.
    pub(crate) fn is_done(&self) -> bool {
        self.finishing && self.pending.is_empty()
    }

    /// Sends a chunk of an output, framed unless it is a terminal's.
    pub(crate) fn send(&mut self, stream: u8, tty: bool, data: &[u8]) -> Result<(), Gone> {
        if !self.wants.get(usize::from(stream)).copied().unwrap_or(false) || self.finishing {
            return Ok(());
        }
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
        let header = [stream + 1, 0, 0, 0, length[0], length[1], length[2], length[3]];
        let header: &[u8] = if tty { &[] } else { &header };
        let mut sent = 0;
        if self.pending.is_empty() {
            sent = self.write(&[IoSlice::new(header), IoSlice::new(data)])?;
        }
        self.pending.extend_from_slice(header.get(sent..).unwrap_or_default());
        self.pending.extend_from_slice(data.get(sent.saturating_sub(header.len())..).unwrap_or_default());
        Ok(())
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> Result<usize, Gone> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            match rustix::net::sendmsg(&self.fd, parts, &mut SendAncillaryBuffer::default(), flags) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(0),
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Sends what is pending.
    pub(crate) fn flush(&mut self) -> Result<(), Gone> {
        while !self.pending.is_empty() {
            match self.write(&[IoSlice::new(&self.pending)])? {
                0 => return Ok(()),
                count => drop(self.pending.drain(..count)),
            }
        }
        self.pending = Vec::new();
        Ok(())
    }

    /// Reads input; 0 at its end, `None` when there is none now.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, Gone> {
        loop {
            match rustix::io::read(&self.fd, &mut *buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Nothing more will come.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
        self.stdin = false;
    }

    /// Waits for nothing more.
    pub(crate) fn unwatch(&self, poller: &Poller) {
        poller.remove(self.fd.as_fd());
    }

    /// It has hung up, but what it said before is still to be taken: its hang-up must not be reported all the time.
    pub(crate) fn park(&mut self, poller: &Poller) {
        self.unwatch(poller);
        self.parked = true;
    }

    /// Waits for what is of interest now.
    pub(crate) fn watch(&mut self, input_has_room: bool, poller: &Poller, token: Token) {
        if self.parked {
            self.parked = !(input_has_room && poller.add(self.fd.as_fd(), token, Interest::READ).is_ok());
            return;
        }
        let wanted = Interest { read: self.stdin && input_has_room, write: !self.pending.is_empty() };
        if wanted != self.interest && poller.change(self.fd.as_fd(), token, wanted).is_ok() {
            self.interest = wanted;
        }
    }
}
