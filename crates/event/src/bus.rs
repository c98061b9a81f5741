use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;

use crate::{Actor, Event, Kind};

/// How many past events a `since` can reach back to (moby keeps 256).
const HISTORY: usize = 1024;
/// How many events a slow subscriber may lag behind before it loses the oldest.
const LAG: usize = 4096;

/// Publishes events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    inner: Arc<Mutex<Inner>>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Inner {
    history: VecDeque<Arc<Event>>,
    last_nano: i64,
}

/// The events after a point in time: those kept first, then live ones.
#[derive(Debug)]
pub struct Subscription {
    backlog: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner { history: VecDeque::new(), last_nano: 0 })),
            sender: broadcast::channel(LAG).0,
        }
    }
}

impl Bus {
    /// Publishes an event now. Never blocks on subscribers.
    pub fn emit(&self, kind: Kind, action: impl Into<String>, id: &str, attributes: BTreeMap<String, String>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let time_nano = now.max(inner.last_nano + 1);
        inner.last_nano = time_nano;
        let event = Arc::new(Event {
            kind,
            action: action.into(),
            actor: Actor { id: id.to_owned(), attributes },
            scope: "local".to_owned(),
            time: time_nano / 1_000_000_000,
            time_nano,
        });
        if inner.history.len() == HISTORY {
            inner.history.pop_front();
        }
        inner.history.push_back(event.clone());
        // Sent under the lock so that all subscribers see one order. No subscriber is no error.
        let _ = self.sender.send(event);
    }

    /// How many subscribers there are.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Everything from now on, and what is kept since `since` (nanoseconds) if given.
    pub fn subscribe(&self, since: Option<i64>) -> Subscription {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.sender.subscribe();
        let backlog = match since {
            Some(since) => inner.history.iter().filter(|e| e.time_nano >= since).cloned().collect(),
            None => VecDeque::new(),
        };
        Subscription { backlog, live }
    }
}

impl Subscription {
    /// The next event; `None` when the bus is gone. A subscriber that lagged too far goes on with what is left.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.backlog.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event of the past, without waiting for new ones.
    pub fn next_past(&mut self) -> Option<Arc<Event>> {
        self.backlog.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn subscribers_get_the_past_they_ask_for_then_the_present_in_order() {
        let bus = Bus::default();
        bus.emit(Kind::Container, "create", "a", BTreeMap::new());
        let first = bus.subscribe(Some(0)).next().await.expect("kept");
        bus.emit(Kind::Container, "start", "a", BTreeMap::new());
        let mut sub = bus.subscribe(Some(first.time_nano + 1));
        bus.emit(Kind::Container, "die", "a", BTreeMap::new());
        let got = [sub.next().await.expect("1"), sub.next().await.expect("2")];
        assert_eq!(got.each_ref().map(|e| e.action.as_str()), ["start", "die"]);
        assert!(got[0].time_nano < got[1].time_nano);
    }

    #[tokio::test]
    async fn history_is_bounded() {
        let bus = Bus::default();
        for _ in 0..HISTORY + 10 {
            bus.emit(Kind::Image, "tag", "x", BTreeMap::new());
        }
        let mut sub = bus.subscribe(Some(0));
        let mut n = 0;
        while sub.next_past().is_some() {
            n += 1;
        }
        assert_eq!(n, HISTORY);
    }
}
