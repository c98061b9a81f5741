use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logdriver::{Next, Position, ReadOptions, Reader};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::message::{Assembler, Message};
use crate::{ShipError, Sink};

/// Messages that are sent at once, at most …
const BATCH: usize = 256;
/// … with so many bytes of text.
const BATCH_BYTES: usize = 256 * 1024;
/// While there is always more, the place is saved so often.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Between attempts at a receiver that is gone: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    /// Go on with what comes.
    Follow,
    /// Nothing more comes.
    Finish,
    /// Leave at once.
    Stop,
}

/// Sends the log of one container on, in a task of its own. Dropped, it goes on until it has sent everything.
#[derive(Debug)]
pub struct Shipper {
    control: watch::Sender<Control>,
    task: JoinHandle<()>,
}

impl Shipper {
    /// Begins to send the log whose live file is `log` from the place on that the file `position` tells.
    ///
    /// `name` is for the daemon's own log.
    #[must_use]
    pub fn start(name: &str, sink: Sink, log: PathBuf, position: PathBuf) -> Self {
        let (control, receiver) = watch::channel(Control::Follow);
        let run = Run { name: name.to_owned(), sink, log, position, control: receiver, saved: None };
        Self { control, task: tokio::spawn(run.serve()) }
    }

    /// The container has ended, and its log is complete: the rest is sent, then the task ends.
    pub fn finish(&self) {
        self.control.send_if_modified(|control| {
            let following = *control == Control::Follow;
            if following {
                *control = Control::Finish;
            }
            following
        });
    }

    /// Waits until everything is sent, but not longer than this; what is left then stays unsent.
    pub async fn drain(mut self, patience: Duration) {
        self.finish();
        if timeout(patience, &mut self.task).await.is_err() {
            self.stop().await;
        }
    }

    /// Leaves off at once; another one can go on from here.
    pub async fn stop(self) {
        self.control.send_replace(Control::Stop);
        // A panic of it has been told.
        let _ = self.task.await;
    }
}

struct Run {
    name: String,
    sink: Sink,
    log: PathBuf,
    position: PathBuf,
    control: watch::Receiver<Control>,
    saved: Option<Position>,
}

/// The descriptor belongs to the reader, which lives longer.
struct WatchFd(RawFd);

impl AsRawFd for WatchFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Run {
    async fn serve(mut self) {
        if let Err(error) = self.ship().await {
            tracing::error!("container {}: sending its log: {error}", self.name);
        }
        self.sink.close().await;
    }

    async fn ship(&mut self) -> Result<(), logdriver::LogError> {
        self.saved = load(&self.position);
        let options = ReadOptions { follow: true, after: self.saved, ..ReadOptions::default() };
        let mut reader = Reader::open(&self.log, &options)?;
        let watch = reader.watch_fd().map(|fd| readable(WatchFd(fd.as_raw_fd()))).transpose();
        let watch = watch.map_err(|source| logdriver::LogError::Watch { path: self.log.clone(), source })?;
        let mut assembler = Assembler::default();
        let mut queue = VecDeque::new();
        let mut saved_at = Instant::now();
        loop {
            let control = *self.control.borrow_and_update();
            match control {
                Control::Follow => {}
                Control::Finish => reader.finish(),
                Control::Stop => break,
            }
            let last = fill(&mut reader, &mut assembler, &mut queue)?;
            if !queue.is_empty() && !self.deliver(&mut queue).await {
                // What was sent of the batch is sent again by whoever goes on.
                break;
            }
            let place = reader.position();
            let idle = last != Some(Filled::More);
            if place != self.saved && (idle || saved_at.elapsed() >= SAVE_EVERY) {
                self.save(place);
                saved_at = Instant::now();
            }
            match last {
                Some(Filled::More) => {}
                Some(Filled::Pending) => self.wait(watch.as_ref()).await,
                None => break,
            }
        }
        Ok(())
    }

    /// Until there may be more, or something else is to be done.
    async fn wait(&mut self, watch: Option<&AsyncFd<WatchFd>>) {
        let Some(watch) = watch else { return };
        tokio::select! {
            ready = watch.readable() => {
                if let Ok(mut ready) = ready {
                    ready.clear_ready();
                }
            }
            changed = self.control.changed() => {
                // Nobody can tell any more when it ends: send what is there.
                if changed.is_err() {
                    sleep(RETRY.1).await;
                }
            }
        }
    }

    /// Sends the queue, however often it has to be tried. False: told to leave.
    async fn deliver(&mut self, queue: &mut VecDeque<Message>) -> bool {
        let mut pause = RETRY.0;
        let mut told = false;
        loop {
            let mut control = self.control.clone();
            let stopped = control.wait_for(|c| *c == Control::Stop);
            let result = tokio::select! {
                result = self.sink.send(queue) => result,
                Ok(_) = stopped => return false,
            };
            match result {
                Ok(()) => return true,
                Err(error) => self.complain(&error, &mut told),
            }
            let stopped = control.wait_for(|c| *c == Control::Stop);
            tokio::select! {
                () = sleep(pause) => {}
                Ok(_) = stopped => return false,
            }
            pause = (pause * 2).min(RETRY.1);
        }
    }

    fn complain(&self, error: &ShipError, told: &mut bool) {
        if !std::mem::replace(told, true) {
            tracing::warn!("container {}: its log cannot be sent for now: {error}", self.name);
        }
    }

    fn save(&mut self, place: Option<Position>) {
        let Some(place) = place else { return };
        match store(&self.position, place) {
            Ok(()) => self.saved = Some(place),
            // With the container's directory.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => tracing::warn!("container {}: {}: {e}", self.name, self.position.display()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// The batch is full.
    More,
    /// Nothing more for now.
    Pending,
}

/// Fills a batch. `None`: there will be no more.
fn fill(
    reader: &mut Reader,
    assembler: &mut Assembler,
    queue: &mut VecDeque<Message>,
) -> Result<Option<Filled>, logdriver::LogError> {
    let mut bytes = 0;
    while queue.len() < BATCH && bytes < BATCH_BYTES {
        match reader.next()? {
            Next::Entry(entry) => {
                bytes += entry.line.len();
                queue.push_back(assembler.message(entry));
            }
            Next::Pending => return Ok(Some(Filled::Pending)),
            Next::End => return Ok(None),
        }
    }
    Ok(Some(Filled::More))
}

/// Puts a descriptor under tokio's watch.
#[expect(deprecated, reason = "`register` is unsafe and that has no place here; our types own their descriptor")]
fn readable(inner: WatchFd) -> io::Result<AsyncFd<WatchFd>> {
    AsyncFd::new(inner)
}

fn load(path: &Path) -> Option<Position> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Replaces the file as a whole.
fn store(path: &Path, place: Position) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let mut file = std::fs::File::create(&name)?;
    file.write_all(&serde_json::to_vec(&place)?)?;
    std::fs::rename(&name, path)
}

#[cfg(test)]
mod tests;
