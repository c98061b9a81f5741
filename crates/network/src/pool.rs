//! A few fresh namespaces with an interface pair, made ahead of need by a thread of its own. Fresh only: what a container
//! has used is never used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netlink::route::{Batch, LinkChange, LinkRef};

use crate::Error;
use crate::host::Host;
use crate::namespace::Fresh;

/// Whoever took one is about to start a container: it gets the processors, and the kernel's network lock and grace periods,
/// first. This long at most, if it does not say that it is done.
const PATIENCE: Duration = Duration::from_millis(40);
/// The same when the stock is empty.
const COURTESY: Duration = Duration::from_millis(4);
/// Pause after a failure (no more namespaces allowed, no memory).
const PENALTY: Duration = Duration::from_secs(5);

/// A fresh namespace, and the bridge (by index) that its interface is a port of already; still down.
#[derive(Debug)]
struct Stocked {
    fresh: Fresh,
    bridge: Option<u32>,
}

/// The stock.
#[derive(Debug)]
pub(crate) struct Pool {
    stock: Mutex<Stock>,
    taken: Condvar,
    size: usize,
}

#[derive(Debug, Default)]
struct Stock {
    ready: Vec<Stocked>,
    usual: Option<u32>,
    filling: bool,
    closed: bool,
    /// Containers that are starting on what they took, and since when the last one is.
    starting: usize,
    since: Option<Instant>,
}

impl Stock {
    /// How much longer those who are starting are left alone.
    fn courtesy(&self) -> Duration {
        let whole = if self.ready.is_empty() { COURTESY } else { PATIENCE };
        let since = self.since.filter(|_| self.starting > 0);
        since.map_or(Duration::ZERO, |since| whole.saturating_sub(since.elapsed()))
    }
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self { stock: Mutex::default(), taken: Condvar::new(), size }
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One with an interface pair, for this bridge: from the stock if there is a fitting one. (Taking a port off one bridge
    /// for another would wait for a grace period of the kernel: dearer than making a new one.)
    pub(crate) fn take(&self, host: &Host, bridge: u32) -> Result<Fresh, Error> {
        let stocked = {
            let ready = &mut self.lock().ready;
            let exact = ready.iter().position(|s| s.bridge == Some(bridge));
            let found = exact.or_else(|| ready.iter().position(|s| s.bridge.is_none()));
            found.map(|at| ready.swap_remove(at).fresh)
        };
        stocked.map_or_else(|| Fresh::with_pair(host), Ok)
    }

    /// Has the stock filled in the background when the caller's container has started ([`Self::settled`]). The first call starts the thread: nobody who does not use networking pays.
    /// Half of the stock is made for `usual`, the bridge that most containers are on.
    pub(crate) fn refill(self: &Arc<Self>, host: &Arc<Host>, usual: Option<u32>) {
        let mut stock = self.lock();
        stock.usual = usual;
        stock.starting += 1;
        stock.since = Some(Instant::now());
        if self.size == 0 || stock.closed {
            return;
        }
        if stock.filling {
            drop(stock);
            self.taken.notify_one();
            return;
        }
        let (pool, host) = (Arc::clone(self), Arc::clone(host));
        let spawned = std::thread::Builder::new().name("netns-pool".to_owned()).spawn(move || pool.fill(&host));
        match spawned {
            Ok(_) => stock.filling = true,
            Err(error) => tracing::warn!(%error, "namespace pool not filled"),
        }
    }

    /// A container that [`Self::refill`] was called for has started, or has not.
    pub(crate) fn settled(&self) {
        let mut stock = self.lock();
        stock.starting = stock.starting.saturating_sub(1);
        drop(stock);
        self.taken.notify_one();
    }

    /// Waits until one is to be made, and gives the bridge that it is to be made for; `None` at the end.
    fn next(&self) -> Option<Option<u32>> {
        let mut stock = self.lock();
        loop {
            if stock.closed {
                return None;
            }
            if stock.ready.len() >= self.size {
                stock = self.taken.wait(stock).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let courtesy = stock.courtesy();
            if courtesy.is_zero() {
                break;
            }
            stock = self.taken.wait_timeout(stock, courtesy).unwrap_or_else(PoisonError::into_inner).0;
        }
        let for_usual = stock.ready.iter().filter(|s| s.bridge.is_some()).count();
        Some(stock.usual.filter(|_| for_usual < self.size.div_ceil(2)))
    }

    fn fill(&self, host: &Host) {
        while let Some(bridge) = self.next() {
            match Stocked::make(host, bridge) {
                Ok(fresh) => {
                    let mut stock = self.lock();
                    // Closed meanwhile: nobody would ever empty it again.
                    if !stock.closed {
                        stock.ready.push(fresh);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "namespace pool not filled");
                    std::thread::sleep(PENALTY);
                }
            }
        }
    }

    /// Empties the stock for good; the namespaces and their interfaces vanish with their handles.
    pub(crate) fn close(&self) {
        let mut stock = self.lock();
        stock.closed = true;
        let ready = std::mem::take(&mut stock.ready);
        drop(stock);
        drop(ready);
        self.taken.notify_all();
    }
}

impl Stocked {
    fn make(host: &Host, bridge: Option<u32>) -> Result<Self, Error> {
        let fresh = Fresh::with_pair(host)?;
        let Some((pair, index)) = fresh.pair.as_ref().zip(bridge) else { return Ok(Self { fresh, bridge: None }) };
        let mut batch = Batch::new();
        let change = LinkChange { master: Some(index), ..LinkChange::default() };
        batch.set_link(LinkRef::Name(&pair.host_if), &change);
        // The bridge may be gone by now: then it is a namespace for any other one.
        let bridge = host.execute("connect the interface to its bridge", &batch).is_ok().then_some(index);
        Ok(Self { fresh, bridge })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_start_are_left_alone_for_a_while() {
        let mut stock = Stock::default();
        assert!(stock.courtesy().is_zero());
        stock.starting = 1;
        stock.since = Some(Instant::now());
        let empty = stock.courtesy();
        assert!(!empty.is_zero() && empty <= COURTESY, "{empty:?}");
        stock.since = Instant::now().checked_sub(PATIENCE);
        assert!(stock.courtesy().is_zero());
        stock.since = Some(Instant::now());
        stock.starting = 0;
        assert!(stock.courtesy().is_zero());
    }
}
