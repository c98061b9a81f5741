//! Reading a log that somebody else writes, rotates, compresses or removes.

mod parse;
mod source;
mod tail;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dirlock::{DirLock, parent};
use crate::files::{self, Identity};
use crate::{LogError, Stream};
pub(crate) use parse::record_time;
use source::{Line, Source};
use watch::Watch;

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
    /// Only what comes after this place. If its file is gone by now, all that is left is younger.
    pub after: Option<Position>,
}

/// A place in a log, which stays true when the file is rotated or compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file, when it was the live one.
    pub inode: u64,
    /// When the file was made (nanoseconds since 1970 UTC; zero where the file system does not know).
    pub born_ns: u64,
    /// Bytes of the (uncompressed) file before the place.
    pub offset: u64,
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
        let mut out = String::new();
        for (key, value) in &self.attrs {
            if !out.is_empty() {
                out.push(',');
            }
            parse::push_query_escaped(&mut out, key);
            out.push('=');
            parse::push_query_escaped(&mut out, value);
        }
        out
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
/// read is kept open, so a rotation neither loses nor repeats a record. Lines that are no records are passed over.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    options: ReadOptions,
    /// The file being read, then those after it.
    sources: VecDeque<Source>,
    /// The file that was read to its end and left, until its successor is found. It is kept open so that no other file can
    /// be given its inode number meanwhile.
    left: Option<Source>,
    watch: Option<Watch>,
    finished: bool,
    ended: bool,
}

impl Reader {
    /// Opens the log whose live file is `path`. A log that does not exist is empty.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, LogError> {
        let watch = if options.follow {
            Some(Watch::new(parent(path)).map_err(|source| LogError::Watch { path: parent(path).to_owned(), source })?)
        } else {
            None
        };
        let mut reader = Self {
            path: path.to_owned(),
            options: options.clone(),
            sources: VecDeque::new(),
            left: None,
            watch,
            finished: false,
            ended: false,
        };
        reader.sources = reader.look_up(None)?;
        if let Some(after) = options.after
            && let Some(place) = reader.sources.iter().rposition(|s| s.holds(after))
        {
            reader.sources.drain(..place);
            if let Some(first) = reader.sources.front_mut() {
                first.seek(after.offset).map_err(|source| LogError::Read { path: path.to_owned(), source })?;
            }
        }
        if let Some(lines) = options.tail {
            tail::keep_last(&mut reader.sources, lines).map_err(|e| reader.read_error(e))?;
        }
        if let Some(since) = options.since {
            tail::drop_older(&mut reader.sources, since).map_err(|e| reader.read_error(e))?;
        }
        if !options.follow
            && let Some(live) = reader.sources.back_mut()
        {
            live.stop_at_snapshot();
        }
        Ok(reader)
    }

    /// The next record. Never blocks for longer than reading a file takes.
    #[expect(clippy::should_implement_trait, reason = "three outcomes, not two")]
    pub fn next(&mut self) -> Result<Next, LogError> {
        while !self.ended {
            let Some(source) = self.sources.front_mut() else {
                if !self.find_more()? {
                    return Ok(self.rest());
                }
                continue;
            };
            match source.line() {
                Ok(Line::Record(range)) => {
                    if let Some(next) = self.take(range) {
                        return Ok(next);
                    }
                }
                Ok(Line::Eof) if !self.at_eof()? => return Ok(self.rest()),
                Ok(Line::Eof) => {}
                Err(e) if self.sources.len() > 1 && e.kind() != io::ErrorKind::Interrupted => {
                    // A rotated file that cannot be read (damaged compression) must not hide those after it.
                    self.sources.pop_front();
                }
                Err(e) => return Err(self.read_error(e)),
            }
        }
        Ok(Next::End)
    }

    /// The place after the last record that [`Reader::next`] gave; `None` if no file was read yet.
    pub fn position(&self) -> Option<Position> {
        self.sources.front().or(self.left.as_ref()).and_then(Source::position)
    }

    /// The container has stopped and its shim has written everything: give what is there, then [`Next::End`].
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Readable when something has happened to the log (an inotify descriptor, nonblocking); `None` if not following.
    /// [`Reader::next`] clears it. For tokio's `AsyncFd`.
    pub fn watch_fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(Watch::fd)
    }

    /// Blocks until something has happened to the log or `timeout` is over. Returns at once if not following.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<(), LogError> {
        match &self.watch {
            Some(watch) => {
                watch.wait(timeout).map_err(|source| LogError::Watch { path: parent(&self.path).to_owned(), source })
            }
            None => Ok(()),
        }
    }

    /// What to say when there is nothing to read.
    fn rest(&mut self) -> Next {
        if self.options.follow && !self.finished {
            return Next::Pending;
        }
        self.ended = true;
        Next::End
    }

    /// Parses a line and judges its time. `None`: not wanted.
    fn take(&mut self, range: std::ops::Range<usize>) -> Option<Next> {
        let line = self.sources.front()?.bytes(range);
        if let (Some(since), Some(time)) = (self.options.since, record_time(line))
            && time < since
        {
            return None;
        }
        let entry = parse::record(line)?;
        if self.options.since.is_some_and(|since| entry.time_ns < since) {
            return None;
        }
        if self.options.until.is_some_and(|until| entry.time_ns > until) {
            self.ended = true;
            return Some(Next::End);
        }
        Some(Next::Entry(entry))
    }

    /// The current file has nothing more. True if there may be more to read now.
    fn at_eof(&mut self) -> Result<bool, LogError> {
        if self.sources.len() > 1 {
            self.leave_first();
            return Ok(true);
        }
        let Some(current) = self.sources.front_mut() else { return Ok(false) };
        if !self.options.follow {
            return Ok(false);
        }
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        let path = &self.path;
        let read_error = |source| LogError::Read { path: path.clone(), source };
        if current.live && Identity::at(path).map_err(read_error)? == Some(current.identity) {
            // What came between the read and the emptying of the watch is read now; what comes later wakes the caller.
            return current.more().map_err(read_error);
        }
        // Rotated: the writer wrote everything before it renamed, so one more read gives all.
        if current.more().map_err(read_error)? {
            return Ok(true);
        }
        self.leave_first();
        Ok(true)
    }

    fn leave_first(&mut self) {
        self.left = self.sources.pop_front();
    }

    /// No file is open: looks for those after the one that was left. True if there are.
    fn find_more(&mut self) -> Result<bool, LogError> {
        if !self.options.follow {
            return Ok(false);
        }
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        let left = self.left.take();
        let found = self.look_up(left.as_ref());
        match found {
            Ok(sources) if !sources.is_empty() => self.sources = sources,
            other => {
                self.left = left;
                other?;
            }
        }
        Ok(!self.sources.is_empty())
    }

    /// Opens all files of the log that are younger than `after`, oldest first, the live one last.
    fn look_up(&self, after: Option<&Source>) -> Result<VecDeque<Source>, LogError> {
        let mut sources = VecDeque::new();
        let read_error = |path: &Path, source| LogError::Read { path: path.to_owned(), source };
        let _lock = match DirLock::shared(parent(&self.path)) {
            Ok(lock) => lock,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(sources),
            Err(e) => return Err(read_error(parent(&self.path), e)),
        };
        for file in files::rotated(&self.path).map_err(|e| read_error(&self.path, e))? {
            if let Some(opened) = files::open(&file.path).map_err(|e| read_error(&file.path, e))? {
                sources.extend(Source::rotated(opened, file.compressed).map_err(|e| read_error(&file.path, e))?);
            }
        }
        if let Some(opened) = files::open(&self.path).map_err(|e| read_error(&self.path, e))? {
            sources.push_back(Source::live(opened).map_err(|e| read_error(&self.path, e))?);
        }
        if let Some(after) = after {
            match sources.iter().rposition(|s| s.is(after)) {
                Some(place) => drop(sources.drain(..=place)),
                // It is gone, so all others are younger, but for those that a smaller `max-file` has left lying.
                None => {
                    if let Some(last) = after.last_time().map_err(|e| read_error(&self.path, e))? {
                        tail::drop_older(&mut sources, last).map_err(|e| read_error(&self.path, e))?;
                    }
                }
            }
        }
        Ok(sources)
    }

    fn read_error(&self, source: io::Error) -> LogError {
        LogError::Read { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests;
