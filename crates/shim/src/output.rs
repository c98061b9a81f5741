//! The reading end of a process' output.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;

use crate::poller::{Interest, Poller};
use crate::token::Token;

/// One pipe, or the master side of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Output {
    fd: Option<OwnedFd>,
    registered: bool,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes.
    Data(usize),
    /// Nothing now.
    Nothing,
    /// It has ended.
    End,
}

impl Output {
    /// Takes a non-blocking descriptor.
    pub(crate) fn open(&mut self, fd: OwnedFd) {
        self.fd = Some(fd);
    }

    /// Whether it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.fd.is_some()
    }

    /// Reads or stops reading. A descriptor that is not read is not watched at all: its hang-up would be reported for
    /// ever.
    pub(crate) fn watch(&mut self, read: bool, poller: &Poller, token: Token) {
        let Some(fd) = &self.fd else { return };
        if read && !self.registered {
            self.registered = poller.add(fd.as_fd(), token, Interest::READ).is_ok();
        } else if !read && self.registered {
            poller.remove(fd.as_fd());
            self.registered = false;
        }
    }

    /// Reads once.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Got {
        let Some(fd) = &self.fd else { return Got::End };
        loop {
            match rustix::io::read(fd, &mut *buffer) {
                Ok(0) => return Got::End,
                Ok(count) => return Got::Data(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Got::Nothing,
                // EIO: the last user of the terminal has closed it.
                Err(_) => return Got::End,
            }
        }
    }

    /// Closes it.
    pub(crate) fn close(&mut self, poller: &Poller) {
        if let Some(fd) = self.fd.take()
            && self.registered
        {
            poller.remove(fd.as_fd());
        }
        self.registered = false;
    }
}
