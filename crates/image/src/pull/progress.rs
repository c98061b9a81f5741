//! What a pull shows, in Docker's order: per layer `Pulling fs layer`, `Downloading`, `Download complete`,
//! `Extracting`, `Pull complete`; or `Already exists`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use id::Digest;

use super::job::{Job, State};
use crate::store::lock;
use crate::{Action, Progress, ProgressSink};

/// Between two looks at the downloads (moby's is the same).
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// The layers of one pull.
#[derive(Clone)]
pub(super) struct Board(Arc<Inner>);

struct Inner {
    sink: ProgressSink,
    /// Nothing is shown when everything is here already.
    visible: bool,
    lines: Mutex<Vec<Line>>,
}

struct Line {
    digest: Digest,
    job: Option<Arc<Job>>,
    shown: Shown,
}

#[derive(PartialEq)]
enum Shown {
    Nothing,
    Bytes(u64),
    Downloaded { since: Instant, seconds: u64 },
    Complete,
}

impl Board {
    pub(super) fn new(sink: ProgressSink, visible: bool) -> Self {
        Self(Arc::new(Inner { sink, visible, lines: Mutex::default() }))
    }

    fn say(&self, p: Progress) {
        if self.0.visible {
            (self.0.sink)(p);
        }
    }

    /// A layer of the image.
    pub(super) fn add(&self, digest: &Digest, is_here: bool) {
        let mut lines = lock(&self.0.lines);
        if lines.iter().any(|l| l.digest == *digest) {
            return;
        }
        self.say(Progress::layer(digest.short(), "Pulling fs layer"));
        let mut shown = Shown::Nothing;
        if is_here {
            self.say(Progress::layer(digest.short(), "Already exists"));
            shown = Shown::Complete;
        }
        lines.push(Line { digest: digest.clone(), job: None, shown });
    }

    /// The download to look at for a layer.
    pub(super) fn watch(&self, job: &Arc<Job>) {
        if let Some(line) = lock(&self.0.lines).iter_mut().find(|l| l.digest == job.digest) {
            line.job = Some(Arc::clone(job));
        }
    }

    /// Shows what has changed.
    pub(super) fn show(&self) {
        for line in lock(&self.0.lines).iter_mut() {
            let Some(job) = &line.job else { continue };
            let id = line.digest.short();
            match (job.state(), &mut line.shown) {
                (State::Downloading(n), Shown::Nothing) if n > 0 => {
                    self.say(bytes(id, n, job.size));
                    line.shown = Shown::Bytes(n);
                }
                (State::Downloading(n), Shown::Bytes(last)) if n != *last => {
                    self.say(bytes(id, n, job.size));
                    *last = n;
                }
                (State::Extracting | State::Done(Ok(())), Shown::Nothing | Shown::Bytes(_)) => {
                    self.say(Progress::layer(id, "Download complete"));
                    self.say(extracting(id, 1));
                    line.shown = Shown::Downloaded { since: Instant::now(), seconds: 1 };
                }
                (State::Extracting | State::Done(Ok(())), Shown::Downloaded { since, seconds }) => {
                    let now = 1 + since.elapsed().as_secs();
                    if now != *seconds {
                        self.say(extracting(id, now));
                        *seconds = now;
                    }
                }
                _ => {}
            }
        }
    }

    /// Everything is visible and on disk.
    pub(super) fn complete(&self) {
        self.show();
        for line in lock(&self.0.lines).iter_mut().filter(|l| l.shown != Shown::Complete) {
            self.say(Progress::layer(line.digest.short(), "Pull complete"));
            line.shown = Shown::Complete;
        }
    }
}

fn bytes(id: &str, current: u64, total: u64) -> Progress {
    Progress::Layer { id: id.to_owned(), action: Action::Downloading, current, total: Some(total) }
}

fn extracting(id: &str, seconds: u64) -> Progress {
    Progress::Layer { id: id.to_owned(), action: Action::Extracting, current: seconds, total: None }
}
