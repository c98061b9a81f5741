//! What to do with clients when there are no file descriptors left.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::http::accept::refuse;
use crate::http::listen::Listener;

/// How long accepting rests after an error.
const PAUSE: Duration = Duration::from_millis(50);
/// At most one line per this time goes to the log.
const QUIET: Duration = Duration::from_secs(10);

/// A descriptor kept back: without one, a client could not even be told that there is none, and would wait for ever.
pub(crate) struct Spare {
    file: Option<File>,
    said: Option<Instant>,
}

impl Spare {
    pub(crate) fn new() -> Self {
        Self { file: File::open("/dev/null").ok(), said: None }
    }

    /// After `accept` has failed: a client that waits for a descriptor gets 503 by means of the spare one.
    pub(crate) async fn turn_away(&mut self, listener: &Listener, error: &io::Error) {
        if self.said.is_none_or(|at| at.elapsed() > QUIET) {
            tracing::warn!(%error, "failed to accept a connection");
            self.said = Some(Instant::now());
        }
        let exhausted = Errno::from_io_error(error).is_some_and(|e| matches!(e, Errno::MFILE | Errno::NFILE));
        if exhausted && self.file.take().is_some() {
            if let Ok(Ok(raw)) = tokio::time::timeout(PAUSE, listener.accept()).await {
                refuse(raw).await;
            }
        } else {
            tokio::time::sleep(PAUSE).await;
        }
        if self.file.is_none() {
            self.file = File::open("/dev/null").ok();
        }
    }
}
