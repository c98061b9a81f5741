//! A few fresh namespaces with an interface pair, made ahead of need. Fresh only: what a container has used is never
//! used again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::host::Host;
use crate::namespace::Fresh;

/// The stock.
#[derive(Debug)]
pub(crate) struct Pool {
    ready: Mutex<Vec<Fresh>>,
    size: usize,
    pending: AtomicUsize,
    closed: AtomicBool,
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self { ready: Mutex::new(Vec::new()), size, pending: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// One with an interface pair, from the stock if there is any.
    pub(crate) fn take(&self, host: &Host) -> Result<Fresh, Error> {
        let stocked = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        stocked.map_or_else(|| Fresh::with_pair(host), Ok)
    }

    /// Fills the stock in the background.
    pub(crate) fn refill(self: &Arc<Self>, host: &Arc<Host>) {
        let have = self.ready.lock().unwrap_or_else(PoisonError::into_inner).len();
        let busy = self.pending.load(Ordering::Acquire) > 0;
        if self.closed.load(Ordering::Acquire) || busy || have >= self.size {
            return;
        }
        self.pending.fetch_add(1, Ordering::AcqRel);
        let (pool, host) = (Arc::clone(self), Arc::clone(host));
        let spawned = std::thread::Builder::new().name("netns-pool".to_owned()).spawn(move || {
            pool.fill(&host);
            pool.pending.fetch_sub(1, Ordering::AcqRel);
        });
        if let Err(error) = spawned {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "namespace pool not filled");
        }
    }

    fn fill(&self, host: &Host) {
        while !self.closed.load(Ordering::Acquire) {
            if self.ready.lock().unwrap_or_else(PoisonError::into_inner).len() >= self.size {
                return;
            }
            match Fresh::with_pair(host) {
                Ok(fresh) => {
                    let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                    // Closed meanwhile: nobody would ever empty it again.
                    if !self.closed.load(Ordering::Acquire) {
                        ready.push(fresh);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "namespace pool not filled");
                    return;
                }
            }
        }
    }

    /// Empties the stock for good; the namespaces and their interfaces vanish with their handles.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
