//! Small when nothing is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use api::http::Layer;
use tokio::sync::Notify;

/// No request for this long is rest.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Sees the requests come and go.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Counts beginnings and ends of requests.
    steps: AtomicU64,
    /// Somebody waits for the end of the requests.
    watched: AtomicBool,
    woken: Notify,
}

impl Quiet {
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        // One wake-up for the first request after a rest, none for those behind it.
        if !self.watched.swap(true, Ordering::Relaxed) {
            self.woken.notify_one();
        }
    }

    /// What has every request seen.
    pub(super) fn layer<S: 'static>(self: &Arc<Self>) -> Layer<S> {
        let this = self.clone();
        Arc::new(move |request, next| {
            let this = this.clone();
            this.step();
            let answer = next.run(request);
            Box::pin(async move {
                let answer = answer.await;
                this.step();
                answer
            })
        })
    }

    /// Calls `rest` whenever no request has come or gone for that long. Never ends.
    pub(super) async fn watch(self: Arc<Self>, pause: Duration, rest: fn()) {
        loop {
            let mut seen = self.steps.load(Ordering::Relaxed);
            loop {
                tokio::time::sleep(pause).await;
                let now = self.steps.load(Ordering::Relaxed);
                if now == seen {
                    break;
                }
                seen = now;
            }
            self.watched.store(false, Ordering::Relaxed);
            rest();
            // A step between the last look and the store has seen `watched` and told nobody.
            if self.steps.load(Ordering::Relaxed) == seen {
                self.woken.notified().await;
            }
            self.watched.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static RESTS: AtomicU64 = AtomicU64::new(0);

    fn rest() {
        RESTS.fetch_add(1, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn rests_once_after_every_burst() {
        let quiet = Arc::new(Quiet::default());
        let pause = Duration::from_millis(400);
        tokio::spawn(quiet.clone().watch(pause, rest));
        let after = async |pauses: u32| {
            tokio::time::sleep(pause * pauses).await;
            RESTS.load(Ordering::Relaxed)
        };
        assert_eq!(after(3).await, 1, "once after the start");
        let begin = std::time::Instant::now();
        while begin.elapsed() < pause * 2 {
            quiet.step();
            tokio::time::sleep(pause / 20).await;
        }
        assert_eq!(RESTS.load(Ordering::Relaxed), 1, "not while requests come");
        assert_eq!(after(4).await, 2);
        quiet.step();
        assert_eq!(after(4).await, 3);
    }
}
