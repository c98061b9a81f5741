//! Connections of daemons.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd as _, OwnedFd};

use shim_proto::{Conn, ConnError, Event, FromShim, Reply, ToShim};

use crate::poller::{Interest, Poller};
use crate::token::{NUMBERS, Token};

/// Messages that wait for one daemon before it is given up.
const MOST_WAITING: usize = 1024;

/// One connection.
#[derive(Debug)]
struct Peer {
    conn: Conn,
    /// It has introduced itself and gets events.
    greeted: bool,
    waiting: VecDeque<(FromShim, Option<OwnedFd>)>,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    peers: BTreeMap<u32, Peer>,
    next: u32,
}

/// What a connection brought.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A request.
    Request(ToShim),
    /// Not a request; in words.
    Malformed(String),
    /// Nothing more now.
    Nothing,
}

impl Peers {
    /// Takes a connection.
    pub(crate) fn add(&mut self, conn: Conn, poller: &Poller) {
        let number = self.next;
        if conn.set_nonblocking(true).is_ok() && poller.add(conn.as_fd(), Token::Conn(number), Interest::READ).is_ok() {
            self.next = number.wrapping_add(1) & NUMBERS;
            self.peers.insert(number, Peer { conn, greeted: false, waiting: VecDeque::new() });
        }
    }

    /// Whether nobody is connected.
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether somebody gets events.
    pub(crate) fn has_listener(&self) -> bool {
        self.peers.values().any(|peer| peer.greeted)
    }

    /// From now on it gets events.
    pub(crate) fn greet(&mut self, number: u32) {
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.greeted = true;
        }
    }

    /// Takes the next message. A connection that ended is let go.
    pub(crate) fn receive(&mut self, number: u32, poller: &Poller) -> Incoming {
        let Some(peer) = self.peers.get(&number) else { return Incoming::Nothing };
        match peer.conn.recv::<ToShim>() {
            Ok(Some((request, _))) => Incoming::Request(request),
            Err(ConnError::WouldBlock) => Incoming::Nothing,
            Err(ConnError::Decode(error)) => Incoming::Malformed(error.to_string()),
            Ok(None) | Err(_) => {
                self.remove(number, poller);
                Incoming::Nothing
            }
        }
    }

    fn remove(&mut self, number: u32, poller: &Poller) {
        if let Some(peer) = self.peers.remove(&number) {
            poller.remove(peer.conn.as_fd());
        }
    }

    /// Answers a request.
    pub(crate) fn reply(&mut self, number: u32, tag: u64, reply: Reply, fd: Option<OwnedFd>, poller: &Poller) {
        self.send(number, FromShim::Reply { tag, reply }, fd, poller);
    }

    /// Tells everybody who listens.
    pub(crate) fn event(&mut self, event: &Event, poller: &Poller) {
        let numbers: Vec<u32> = self.peers.iter().filter(|(_, peer)| peer.greeted).map(|(n, _)| *n).collect();
        for number in numbers {
            self.send(number, FromShim::Event(event.clone()), None, poller);
        }
    }

    fn send(&mut self, number: u32, message: FromShim, fd: Option<OwnedFd>, poller: &Poller) {
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.waiting.push_back((message, fd));
            self.flush(number, poller);
        }
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self, number: u32, poller: &Poller) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        while let Some((message, fd)) = peer.waiting.front() {
            let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
            match peer.conn.send(message, &fds) {
                Ok(()) => drop(peer.waiting.pop_front()),
                Err(ConnError::WouldBlock) if peer.waiting.len() < MOST_WAITING => break,
                Err(_) => {
                    self.remove(number, poller);
                    return;
                }
            }
        }
        let interest = Interest { read: true, write: !peer.waiting.is_empty() };
        let _ = poller.change(peer.conn.as_fd(), Token::Conn(number), interest);
    }

    /// Ends all connections.
    pub(crate) fn close(&mut self) {
        self.peers.clear();
    }
}
