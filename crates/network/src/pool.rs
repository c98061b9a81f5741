//! A few fresh namespaces with an interface pair, made ahead of need by a thread of its own. Fresh only: what a container
//! has used is never used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::host::Host;
use crate::namespace::Fresh;

/// Whoever took the last one is about to start a container: it gets the processors, and the kernel's network lock, first.
const COURTESY: Duration = Duration::from_millis(4);
/// Pause after a failure (no more namespaces allowed, no memory).
const PENALTY: Duration = Duration::from_secs(5);

/// The stock.
#[derive(Debug)]
pub(crate) struct Pool {
    stock: Mutex<Stock>,
    taken: Condvar,
    size: usize,
}

#[derive(Debug, Default)]
struct Stock {
    ready: Vec<Fresh>,
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

    /// One with an interface pair, from the stock if there is any.
    pub(crate) fn take(&self, host: &Host) -> Result<Fresh, Error> {
        let stocked = self.lock().ready.pop();
        stocked.map_or_else(|| Fresh::with_pair(host), Ok)
    }

    /// Has the stock filled in the background. The first call starts the thread: nobody who does not use networking pays.
    pub(crate) fn refill(self: &Arc<Self>, host: &Arc<Host>) {
        let mut stock = self.lock();
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
            drop(stock);
            std::thread::sleep(COURTESY);
            match Fresh::with_pair(host) {
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
