use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use crate::{LogError, Stream};

/// What part of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Only the last so many records of what is there now; `None`: all. Applied before `since`, as in Docker.
    pub tail: Option<u64>,
    /// No record older than this (nanoseconds since 1970 UTC).
    pub since: Option<i64>,
    /// No record younger than this; the first one ends the reading.
    pub until: Option<i64>,
    /// Go on with what comes.
    pub follow: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it came from.
    pub stream: Stream,
    /// When, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// The text; ends with `\n` unless it is a part of a longer line.
    pub line: Vec<u8>,
    /// The record's attributes (`labels`, `env`, `tag` of the log options), by key.
    pub attrs: Vec<(String, String)>,
}

impl Entry {
    /// The attributes as `docker logs --details` prints them: `k=v,k=v`, both sides query-escaped, sorted.
    pub fn details(&self) -> String {
        String::new()
    }
}

/// What [`Reader::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next record.
    Entry(Entry),
    /// Nothing more for now (only while following): wait until [`Reader::watch_fd`] is readable, or [`Reader::wait`].
    Pending,
    /// There is no more, and will be none.
    End,
}

/// Reads a log from the oldest wanted record on, across rotated and compressed files. While following, the file being
/// read is kept open, so a rotation neither loses nor repeats a record.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Opens the log whose live file is `path`. A log that does not exist is empty.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, LogError> {
        let _ = (path, options);
        Ok(Self {})
    }

    /// The next record. Never blocks for longer than reading a file takes.
    pub fn next(&mut self) -> Result<Next, LogError> {
        Ok(Next::End)
    }

    /// The container has stopped and its shim has written everything: give what is there, then [`Next::End`].
    pub fn finish(&mut self) {}

    /// Readable when something has happened to the log (an inotify descriptor, nonblocking); `None` if not following.
    /// [`Reader::next`] clears it. For tokio's `AsyncFd`.
    pub fn watch_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Blocks until something has happened to the log or `timeout` is over.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<(), LogError> {
        let _ = timeout;
        Ok(())
    }
}
