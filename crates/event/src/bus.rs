use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;

use crate::journal::Journal;
use crate::{Actor, Event, Kind};

/// How many past events a `since` can reach back to (moby keeps 256).
const HISTORY: usize = 1024;
/// How many events a slow subscriber may lag behind before it loses the oldest.
const LAG: usize = 4096;
/// A last event this far in the future (nanoseconds) was told by a clock that was wrong: times start anew.
const WRONG_CLOCK: i64 = 3_600_000_000_000;

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
    last_seq: u64,
    journal: Option<Journal>,
    /// The last event could not be journalled, and that was said.
    failing: bool,
}

impl Inner {
    /// Writes the newest event down. An engine whose disk is full goes on; who reads the past later misses something.
    fn write(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        match journal.append(&self.history) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("events cannot be written to the journal: {error}");
            }
            Err(_) => {}
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// The events after a point in time: those kept first, then live ones.
#[derive(Debug)]
pub struct Subscription {
    backlog: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::with(VecDeque::new(), None)
    }
}

impl Bus {
    /// A bus whose history is kept in the file at `path` as well, and begins with what is there.
    ///
    /// # Errors
    /// The file cannot be opened, read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (journal, history) = Journal::open(path, HISTORY)?;
        Ok(Self::with(history, Some(journal)))
    }

    fn with(history: VecDeque<Arc<Event>>, journal: Option<Journal>) -> Self {
        let last_seq = history.back().map_or(0, |e| e.seq);
        let last_nano = history.back().map_or(0, |e| e.time_nano);
        let last_nano = if last_nano > now().saturating_add(WRONG_CLOCK) { 0 } else { last_nano };
        let inner = Inner { history, last_nano, last_seq, journal, failing: false };
        Self { inner: Arc::new(Mutex::new(inner)), sender: broadcast::channel(LAG).0 }
    }

    /// Publishes an event now. Never blocks on subscribers.
    pub fn emit(&self, kind: Kind, action: impl Into<String>, id: &str, attributes: BTreeMap<String, String>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let time_nano = now().max(inner.last_nano + 1);
        inner.last_nano = time_nano;
        inner.last_seq += 1;
        let event = Arc::new(Event {
            seq: inner.last_seq,
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
        inner.write();
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

    #[test]
    fn a_later_daemon_knows_what_was_told() {
        let path = std::env::temp_dir().join(format!("gantry-bus-{}.jsonl", std::process::id()));
        let bus = Bus::open(&path).expect("opens");
        bus.emit(Kind::Container, "create", "a", BTreeMap::new());
        bus.emit(Kind::Container, "start", "a", BTreeMap::new());
        // Nothing is said to it: as if it was killed.
        let later = Bus::open(&path).expect("opens again");
        later.emit(Kind::Container, "die", "a", BTreeMap::new());
        let mut sub = later.subscribe(Some(0));
        let got: Vec<_> = std::iter::from_fn(|| sub.next_past()).collect();
        assert_eq!(got.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["create", "start", "die"]);
        assert_eq!(got.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(got.is_sorted_by(|a, b| a.time_nano < b.time_nano));
        std::fs::remove_file(&path).expect("removed");
    }

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
