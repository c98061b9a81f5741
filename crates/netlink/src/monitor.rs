//! Being told of changes: links, addresses, routes, and packet filter transactions.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::net::{RecvFlags, netlink};

use crate::Error;
use crate::socket::Socket;
use crate::wire::{self, attributes};

const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
/// `1 << (RTNLGRP_IPV4_NETCONF - 1)`.
const RTMGRP_IPV4_NETCONF: u32 = 1 << 23;
const RTM_NEWNETCONF: u16 = 80;
/// `1 << (NFNLGRP_NFTABLES - 1)`.
const NFTABLES_GROUP: u32 = 1 << 6;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_DELADDR: u16 = 21;
/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN`.
const NFT_NEWGEN: u16 = 0x0a0f;
const NFTA_GEN_PROC_PID: u16 = 2;
const IFLA_IFNAME: u16 = 3;

/// One change, told coarsely: who wants to know more looks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A link came or changed; up says whether it is administratively up.
    Link {
        /// Its name.
        name: String,
        /// Administratively up.
        up: bool,
    },
    /// A link is gone.
    LinkGone(String),
    /// An address of the interface with this index is gone.
    AddressGone(u32),
    /// Forwarding was switched somewhere.
    Forwarding,
    /// A transaction of another process changed the packet filter.
    Filter,
    /// Messages were lost: anything may have changed.
    Overrun,
}

/// A socket subscribed to changes in the network namespace of the thread that opened it. Never blocks.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    own_pid: u32,
}

impl Monitor {
    /// Links and addresses.
    pub fn links() -> Result<Self, Error> {
        Self::open(None, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_NETCONF)
    }

    /// Packet filter transactions of other processes.
    pub fn filter() -> Result<Self, Error> {
        Self::open(Some(netlink::NETFILTER), NFTABLES_GROUP)
    }

    fn open(protocol: Option<rustix::net::Protocol>, groups: u32) -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(protocol, groups)?, own_pid: std::process::id() })
    }

    /// All changes that wait; empty if none does.
    pub fn take(&self) -> Result<Vec<Change>, Error> {
        let mut buffer = vec![0; 64 * 1024];
        let mut out = Vec::new();
        loop {
            match self.socket.receive(&mut buffer, RecvFlags::DONTWAIT) {
                Ok(received) => {
                    out.extend(wire::messages(&buffer[..received]).filter_map(|m| self.change(&m)));
                }
                Err(Error::Socket { source, .. }) if source.kind() == std::io::ErrorKind::WouldBlock => return Ok(out),
                Err(e) if e.errno() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => out.push(Change::Overrun),
                Err(e) => return Err(e),
            }
        }
    }

    fn change(&self, message: &wire::Message<'_>) -> Option<Change> {
        let link_name = || {
            let rest = message.payload.get(16..)?;
            attributes(rest).find(|(k, _)| *k == IFLA_IFNAME).map(|(_, v)| wire::text_of(v).to_owned())
        };
        match message.kind {
            RTM_NEWLINK => {
                let flags = message.payload.get(8..12).map_or(0, wire::u32_of);
                Some(Change::Link { name: link_name()?, up: flags & 1 != 0 })
            }
            RTM_DELLINK => Some(Change::LinkGone(link_name()?)),
            RTM_DELADDR => Some(Change::AddressGone(message.payload.get(4..8).map_or(0, wire::u32_of))),
            RTM_NEWNETCONF => {
                // struct netconfmsg is padded to four bytes; NETCONFA_IFINDEX (1) -1 is "all", NETCONFA_FORWARDING is 2.
                let rest = message.payload.get(4..)?;
                let of = |wanted| attributes(rest).find(|(k, _)| *k == wanted).map(|(_, v)| wire::u32_of(v));
                (of(1) == Some(u32::MAX) && of(2) == Some(0)).then_some(Change::Forwarding)
            }
            NFT_NEWGEN => {
                let rest = message.payload.get(4..)?;
                let pid = attributes(rest).find(|(k, _)| *k == NFTA_GEN_PROC_PID).map_or(0, |(_, v)| wire::be32_of(v));
                (pid != self.own_pid).then_some(Change::Filter)
            }
            _ => None,
        }
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_fd().as_raw_fd()
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
