//! nftables over nfnetlink: one atomic transaction per [`Batch`] (linux/netfilter/nf_tables.h).

mod batch;
mod expr;
mod read;

pub use batch::{BaseChain, Batch, ChainKind, DataType, Element, ElementData, Hook, MapData, Set};
pub use expr::{Cmp, CtKey, Expr, MetaKey, NatKind, PayloadBase, Reg, Verdict};
pub use read::{ChainInfo, RuleInfo};

use rustix::net::netlink;

use crate::Error;
use crate::socket;

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

impl Family {
    /// The kernel's number (NFPROTO_…).
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }

    /// The word that nft(8) uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        }
    }
}

/// An nfnetlink socket of the network namespace that the opening thread was in.
#[derive(Debug)]
pub struct Socket {
    inner: socket::Socket,
}

impl Socket {
    /// Opens one in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { inner: socket::Socket::open(Some(netlink::NETFILTER), 0)? })
    }

    /// Carries out a batch: all of it, or nothing and the first refusal.
    pub fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let first = self.inner.sequences(batch.len() + 2);
        let (bytes, last) = batch.encode(first);
        match self.inner.transact(&bytes, last)?.into_iter().next() {
            None => Ok(()),
            Some(r) => {
                let (operation, subject) = batch.describe(r.sequence.wrapping_sub(first) as usize);
                Err(Error::Refused { operation, subject, errno: r.errno, message: r.message })
            }
        }
    }

    /// The chains of a table; none if there is no such table.
    pub fn chains(&mut self, family: Family, table: &str) -> Result<Vec<ChainInfo>, Error> {
        let found = self.inner.dump(
            |w, sequence| read::request(w, sequence, read::GETCHAIN, family, &[]),
            |out, m| out.extend(ChainInfo::parse(m.payload, table)),
        );
        none_if_missing(found)
    }

    /// The rules of a table, in order within each chain.
    pub fn rules(&mut self, family: Family, table: &str) -> Result<Vec<RuleInfo>, Error> {
        let found = self.inner.dump(
            |w, sequence| read::request(w, sequence, read::GETRULE, family, &[(1, table)]),
            |out, m| out.extend(RuleInfo::parse(m.payload, table)),
        );
        none_if_missing(found)
    }

    /// The names of the sets and maps of a table.
    pub fn sets(&mut self, family: Family, table: &str) -> Result<Vec<String>, Error> {
        let found = self.inner.dump(
            |w, sequence| read::request(w, sequence, read::GETSET, family, &[(1, table)]),
            |out, m| out.extend(read::set_name(m.payload, table)),
        );
        none_if_missing(found)
    }

    /// The keys of a set's elements (starts of intervals and ends alike), padded as in registers.
    pub fn element_keys(&mut self, family: Family, table: &str, set: &str) -> Result<Vec<Vec<u8>>, Error> {
        let found = self.inner.dump(
            |w, sequence| read::request(w, sequence, read::GETSETELEM, family, &[(1, table), (2, set)]),
            |out, m| out.extend(read::element_keys(m.payload)),
        );
        none_if_missing(found)
    }
}

fn none_if_missing<T>(found: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match found {
        Err(e) if e.is_missing() => Ok(Vec::new()),
        other => other,
    }
}
