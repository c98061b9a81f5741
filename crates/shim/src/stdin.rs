//! The writing end of a process' standard input.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;

use crate::poller::{Interest, Poller};
use crate::token::Token;

/// Where attached clients' input goes.
#[derive(Debug, Default)]
pub(crate) struct Input {
    fd: Option<OwnedFd>,
    pending: Vec<u8>,
    /// The end of input follows what is pending.
    ending: bool,
    registered: bool,
}

impl Input {
    /// Takes a non-blocking pipe or terminal.
    pub(crate) fn open(&mut self, fd: OwnedFd) {
        if !self.ending {
            self.fd = Some(fd);
        }
    }

    /// Whether more can be taken now.
    pub(crate) fn has_room(&self) -> bool {
        self.fd.is_some() && self.pending.is_empty() && !self.ending
    }

    /// Whether nothing can be taken any more, ever.
    pub(crate) fn is_over(&self) -> bool {
        self.ending
    }

    /// Writes, and keeps what does not fit.
    pub(crate) fn write(&mut self, data: &[u8], poller: &Poller, token: Token) {
        self.pending.extend_from_slice(data);
        self.flush(poller, token);
    }

    /// Writes what is pending.
    pub(crate) fn flush(&mut self, poller: &Poller, token: Token) {
        let Some(fd) = &self.fd else {
            self.pending.clear();
            return;
        };
        let mut done = 0;
        let alive = loop {
            let rest = self.pending.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break true;
            }
            match rustix::io::write(fd, rest) {
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break true,
                // Nobody reads any more.
                Err(_) => break false,
            }
        };
        self.pending.drain(..done);
        if !alive || (self.ending && self.pending.is_empty()) {
            self.close(poller);
            return;
        }
        self.register(poller, token);
    }

    fn register(&mut self, poller: &Poller, token: Token) {
        let Some(fd) = &self.fd else { return };
        let wanted = !self.pending.is_empty();
        if wanted && !self.registered {
            self.registered = poller.add(fd.as_fd(), token, Interest::WRITE).is_ok();
        } else if !wanted && self.registered {
            poller.remove(fd.as_fd());
            self.registered = false;
        }
    }

    /// The process sees the end of its input once everything pending was written.
    pub(crate) fn end(&mut self, poller: &Poller, token: Token) {
        self.ending = true;
        self.flush(poller, token);
    }

    /// Drops everything.
    pub(crate) fn close(&mut self, poller: &Poller) {
        if let Some(fd) = self.fd.take()
            && self.registered
        {
            poller.remove(fd.as_fd());
        }
        self.registered = false;
        self.ending = true;
        self.pending = Vec::new();
    }
}
