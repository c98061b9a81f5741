//! A few fresh namespaces with an interface pair, made ahead of need by a thread of its own. Fresh only: what a container
//! has used is never used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netlink::route::{Batch, LinkChange, LinkRef};

use crate::Error;
use crate::host::Host;
use crate::namespace::Fresh;

/// Whoever took the last one is about to start a container: it gets the processors, and the kernel's network lock, first.
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

    /// Has the stock filled in the background. The first call starts the thread: nobody who does not use networking pays.
    /// Half of the stock is made for `usual`, the bridge that most containers are on.
    pub(crate) fn refill(self: &Arc<Self>, host: &Arc<Host>, usual: Option<u32>) {
        let mut stock = self.lock();
        stock.usual = usual;
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

    fn fill(&self, host: &Host) {
        loop {
            let mut stock = self.lock();
            while !stock.closed && stock.ready.len() >= self.size {
                stock = self.taken.wait(stock).unwrap_or_else(PoisonError::into_inner);
            }
            if stock.closed {
                return;
            }
            let usual = stock.usual;
            let for_usual = stock.ready.iter().filter(|s| s.bridge.is_some()).count();
            let bridge = usual.filter(|_| for_usual < self.size.div_ceil(2));
            drop(stock);
            std::thread::sleep(COURTESY);
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
