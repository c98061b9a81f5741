//! rtnetlink: links, addresses, routes, neighbours (rtnetlink(7), linux/if_link.h).

mod batch;
mod read;

pub use batch::{AddrGen, Batch, Bridge, LinkChange, LinkKind, LinkRef, Namespace, NewLink, Route};
pub use read::{AddressInfo, LinkInfo, RouteInfo};

use crate::Error;
use crate::socket;

/// An rtnetlink socket of the network namespace that the opening thread was in.
#[derive(Debug)]
pub struct Socket {
    inner: socket::Socket,
}

impl Socket {
    /// Opens one in the calling thread's network namespace.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { inner: socket::Socket::open(None, 0)? })
    }

    /// Carries out a batch with one system call. Every operation is tried even if one before it failed; the first
    /// refusal is the error.
    pub fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        match self.execute_all(batch)?.into_iter().next() {
            None => Ok(()),
            Some((_, error)) => Err(error),
        }
    }

    /// Like [`Self::execute`], but tells all refusals: position in the batch, error.
    pub fn execute_all(&mut self, batch: &Batch) -> Result<Vec<(usize, Error)>, Error> {
        let count = batch.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let first = self.inner.sequences(count);
        let bytes = batch.encode(first);
        let last = first.wrapping_add(u32::try_from(count - 1).unwrap_or(u32::MAX));
        let refusals = self.inner.transact(&bytes, last)?;
        Ok(refusals
            .into_iter()
            .map(|r| {
                let at = r.sequence.wrapping_sub(first) as usize;
                let (operation, subject) = batch.describe(at);
                (at, Error::Refused { operation, subject, errno: r.errno, message: r.message })
            })
            .collect())
    }

    /// All links.
    pub fn links(&mut self) -> Result<Vec<LinkInfo>, Error> {
        self.inner.dump(read::request_links, |out, m| out.extend(LinkInfo::parse(m.payload)))
    }

    /// The link of this name, if there is one.
    pub fn link(&mut self, name: &str) -> Result<Option<LinkInfo>, Error> {
        self.inner.query(|w, sequence| read::request_link(w, sequence, name), |m| LinkInfo::parse(m.payload))
    }

    /// All addresses of all links.
    pub fn addresses(&mut self) -> Result<Vec<AddressInfo>, Error> {
        self.addresses_of(0)
    }

    /// All addresses of one link (0: of every link).
    pub fn addresses_of(&mut self, link: u32) -> Result<Vec<AddressInfo>, Error> {
        let all = self.inner.dump(
            |w, sequence| read::request_addresses(w, sequence, link),
            |out, m| out.extend(AddressInfo::parse(m.payload)),
        )?;
        // Kernels before 4.20 do not filter.
        Ok(all.into_iter().filter(|a| link == 0 || a.link == link).collect())
    }

    /// All unicast routes of the main table.
    pub fn routes(&mut self) -> Result<Vec<RouteInfo>, Error> {
        self.inner.dump(read::request_routes, |out, m| out.extend(RouteInfo::parse(m.payload)))
    }
}
