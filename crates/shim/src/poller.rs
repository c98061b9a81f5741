//! epoll(7), level-triggered.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::clock::SECOND;
use crate::token::Token;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const NONE: Self = Self { read: false, write: false };
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened {
    pub(crate) token: Token,
    /// Something can be read (or the end was reached).
    pub(crate) readable: bool,
    /// Something can be written.
    pub(crate) writable: bool,
    /// The other side is gone altogether.
    pub(crate) hung_up: bool,
}

/// The set of descriptors waited for.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

/// Events taken at once.
const BATCH: usize = 32;

impl Poller {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token.pack()), flags(interest))
    }

    pub(crate) fn change(&self, fd: impl AsFd, token: Token, interest: Interest) -> Result<(), Errno> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(token.pack()), flags(interest))
    }

    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits, at most so many nanoseconds.
    pub(crate) fn wait(&self, timeout: Option<i64>, out: &mut Vec<Happened>) -> Result<(), Errno> {
        out.clear();
        let timeout = timeout.map(|n| Timespec { tv_sec: n.max(0) / SECOND, tv_nsec: n.max(0) % SECOND });
        let mut events = Vec::with_capacity(BATCH);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        for event in events {
            let flags = event.flags;
            let Some(token) = Token::unpack(event.data.u64()) else { continue };
            let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            out.push(Happened {
                token,
                readable: hung_up || flags.contains(EventFlags::IN),
                writable: hung_up || flags.contains(EventFlags::OUT),
                hung_up,
            });
        }
        Ok(())
    }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    if interest.read {
        flags |= EventFlags::IN;
    }
    if interest.write {
        flags |= EventFlags::OUT;
    }
    flags
}
