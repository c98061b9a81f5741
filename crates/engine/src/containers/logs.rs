//! Reading a container's log as Docker streams it.

use std::os::fd::{AsRawFd, RawFd};

use bytes::{BufMut, Bytes, BytesMut};
use logdriver::{Entry, Next, ReadOptions, Reader, Stream};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::{Containers, LogOptions};
use crate::Error;

/// A chunk is handed on when it has grown to this many bytes, or when there is nothing more for now.
const CHUNK: usize = 64 * 1024;

impl Containers {
    /// The log of a container.
    ///
    /// # Errors
    /// Not found, or a log driver that cannot be read.
    pub fn logs(&self, reference: &str, options: &LogOptions) -> Result<LogStream, Error> {
        if !options.stdout && !options.stderr {
            return Err(Error::Invalid("Bad parameters: you must choose at least one stream".to_owned()));
        }
        let handle = self.find(reference)?;
        let view = handle.view();
        let Some(path) = &view.log_file else {
            return Err(Error::Conflict("configured logging driver does not support reading".to_owned()));
        };
        let read = ReadOptions {
            tail: options.tail,
            since: options.since,
            until: options.until,
            follow: options.follow && view.state.is_alive(),
            after: None,
        };
        let mut exits = handle.exits.clone();
        exits.mark_unchanged();
        let reader = Reader::open(path, &read)?;
        let watch = match reader.watch_fd() {
            Some(fd) => Some(crate::files::watch(WatchFd(fd.as_raw_fd())).map_err(|source| Error::Io {
                op: "watch",
                path: path.clone(),
                source,
            })?),
            None => None,
        };
        let mut stream =
            LogStream { watch, reader, exits, options: options.clone(), tty: view.spec.config.tty, done: false };
        // It may have died between the look and the open.
        if read.follow && !handle.view().state.is_alive() {
            stream.reader.finish();
        }
        Ok(stream)
    }
}

/// The descriptor belongs to the reader, which lives as long as this.
struct WatchFd(RawFd);

impl AsRawFd for WatchFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// A log on its way to a client: chunks in Docker's stream format.
pub struct LogStream {
    // Before `reader`: deregistered before the descriptor is closed.
    watch: Option<AsyncFd<WatchFd>>,
    reader: Reader,
    exits: watch::Receiver<u64>,
    options: LogOptions,
    tty: bool,
    done: bool,
}

impl std::fmt::Debug for LogStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStream").field("options", &self.options).finish_non_exhaustive()
    }
}

impl LogStream {
    /// The container has a terminal: bytes are raw, not in frames.
    pub fn tty(&self) -> bool {
        self.tty
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let mut chunk = BytesMut::new();
        while !self.done {
            match self.reader.next() {
                Ok(Next::Entry(entry)) => self.append(&entry, &mut chunk),
                Ok(Next::End) => self.done = true,
                Ok(Next::Pending) if chunk.is_empty() => self.wait().await,
                Ok(Next::Pending) => break,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error.into()));
                }
            }
            if chunk.len() >= CHUNK {
                break;
            }
        }
        (!chunk.is_empty()).then(|| Ok(chunk.freeze()))
    }

    async fn wait(&mut self) {
        let Some(watch) = &self.watch else {
            self.done = true;
            return;
        };
        tokio::select! {
            ready = watch.readable() => match ready {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => self.done = true,
            },
            _ = self.exits.changed() => self.reader.finish(),
        }
    }

    fn append(&self, entry: &Entry, out: &mut BytesMut) {
        let wanted = match entry.stream {
            Stream::Stdout => self.options.stdout,
            Stream::Stderr => self.options.stderr,
        };
        if !wanted {
            return;
        }
        let mut prefix = String::new();
        if self.options.timestamps {
            prefix = timestamp(entry.time_ns);
            prefix.push(' ');
        }
        if self.options.details {
            prefix.push_str(&entry.details());
            prefix.push(' ');
        }
        let length = prefix.len() + entry.line.len();
        if !self.tty {
            let stream = if entry.stream == Stream::Stdout { 1 } else { 2 };
            out.put_slice(&[stream, 0, 0, 0]);
            out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
        out.put_slice(prefix.as_bytes());
        out.put_slice(&entry.line);
    }
}

/// RFC 3339 with all nine digits, as `docker logs -t` prints it.
fn timestamp(nanos: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos)).map(|t| format!("{t:.9}")).unwrap_or_default()
}
