//! One blob on its way, shared by all pulls that want it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use content::Ingest;
use id::Digest;
use oci::image::Descriptor;
use registry_client::Repository;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;

use super::Assembling;
use crate::pipe::{Piece, PieceReader, Tee};
use crate::record::{digest_of, size_of};
use crate::remove::blocking;
use crate::store::lock;
use crate::unpack::{Unpacked, unpack};
use crate::{Error, Result, Store};

/// Pieces from the network that wait for the disk.
const PIECES: usize = 32;

/// What the worker is told of a download that broke off too often.
const INTERRUPTED: io::ErrorKind = io::ErrorKind::TimedOut;
/// What it is told of one that has no sense any more.
const REFUSED: io::ErrorKind = io::ErrorKind::ConnectionReset;
/// What it finds out by itself: nobody wants the download any more.
const GIVEN_UP: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// Where a job stands.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Waits for its turn.
    Waiting,
    /// Bytes here so far.
    Downloading(u64),
    /// All bytes are here, files are being written.
    Extracting,
    /// Over.
    Done(Result<(), Arc<Error>>),
}

/// A download with its result. Dropped by the last pull that wants it, it stops.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    state: watch::Receiver<State>,
    unpacked: Mutex<Option<Unpacked>>,
    task: Mutex<Option<AbortHandle>>,
    /// The pull that wanted it has failed.
    forsaken: Arc<AtomicBool>,
}

impl Job {
    /// If it ends now, because the pull that wanted it has failed, nothing of it is kept.
    pub(super) fn forsake(&self) {
        self.forsaken.store(true, Ordering::Relaxed);
    }

    /// Waits for the end.
    pub(super) async fn wait(&self) -> Result<(), Arc<Error>> {
        let mut state = self.state.clone();
        let ended = state.wait_for(|s| matches!(s, State::Done(_))).await;
        match ended.as_deref() {
            Ok(State::Done(result)) => result.clone(),
            // The task is gone without a word: aborted or panicked.
            _ => Err(Arc::new(Error::Cancelled)),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// What was unpacked on the way; the first to ask gets it.
    pub(super) fn take_unpacked(&self) -> Option<Unpacked> {
        lock(&self.unpacked).take()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// All downloads of the store.
#[derive(Debug)]
pub(crate) struct Jobs {
    running: Mutex<HashMap<Digest, Weak<Job>>>,
    slots: Mutex<Arc<Semaphore>>,
    assembling: Assembling,
}

impl Jobs {
    pub(crate) fn new(slots: usize) -> Self {
        Self { running: Mutex::default(), slots: Mutex::new(semaphore(slots)), assembling: Assembling::default() }
    }

    /// From now on so many at once; those that run already are not counted.
    pub(crate) fn resize(&self, slots: usize) {
        *lock(&self.slots) = semaphore(slots);
    }

    pub(super) fn assembling(&self) -> MutexGuard<'_, ()> {
        self.assembling.lock()
    }

    /// The job for a blob, and whether it was started by this call.
    pub(super) fn join(
        &self,
        store: &Store,
        repository: &Repository,
        blob: &Descriptor,
        unpack: bool,
    ) -> Result<(Arc<Job>, bool)> {
        let digest = digest_of(blob)?;
        let mut running = lock(&self.running);
        let alive = |job: &Arc<Job>| !matches!(job.state(), State::Done(Err(_)));
        if let Some(job) = running.get(&digest).and_then(Weak::upgrade).filter(alive) {
            return Ok((job, false));
        }
        running.retain(|_, job| job.strong_count() > 0);
        let (tx, state) = watch::channel(State::Waiting);
        let job = Arc::new(Job {
            digest: digest.clone(),
            size: size_of(blob),
            state,
            unpacked: Mutex::new(None),
            task: Mutex::new(None),
            forsaken: Arc::default(),
        });
        let work = Work {
            store: store.clone(),
            repository: repository.clone(),
            blob: blob.clone(),
            digest: digest.clone(),
            unpack,
            state: tx,
            forsaken: Arc::clone(&job.forsaken),
            slots: Arc::clone(&lock(&self.slots)),
        };
        let task = tokio::spawn(work.run(Arc::downgrade(&job)));
        *lock(&job.task) = Some(task.abort_handle());
        running.insert(digest, Arc::downgrade(&job));
        Ok((job, true))
    }
}

fn semaphore(slots: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(slots.clamp(1, 64)))
}

struct Work {
    store: Store,
    repository: Repository,
    blob: Descriptor,
    digest: Digest,
    unpack: bool,
    state: watch::Sender<State>,
    forsaken: Arc<AtomicBool>,
    slots: Arc<Semaphore>,
}

/// How one attempt ended.
enum Attempt {
    Whole(Option<Unpacked>),
    /// What an earlier run left was not the beginning of this blob.
    Stale,
}

impl Work {
    async fn run(self, job: Weak<Job>) {
        let result = self.fetch().await;
        let result = result.map(|unpacked| {
            if let Some(job) = job.upgrade() {
                *lock(&job.unpacked) = unpacked;
            }
        });
        self.state.send_replace(State::Done(result.map_err(Arc::new)));
    }

    async fn fetch(&self) -> Result<Option<Unpacked>> {
        let _slot = self.slots.acquire().await.map_err(|_| Error::Cancelled)?;
        loop {
            match self.attempt().await? {
                Attempt::Whole(unpacked) => return Ok(unpacked),
                Attempt::Stale => tracing::debug!(blob = %self.digest, "partial download was stale"),
            }
        }
    }

    async fn attempt(&self) -> Result<Attempt> {
        let size = size_of(&self.blob);
        let ingest = self.ingest(size).await?;
        let offset = ingest.offset();
        self.state.send_replace(State::Downloading(offset));
        let (tx, rx) = mpsc::channel(PIECES);
        let input = if offset < size || size == 0 {
            match self.repository.blob(&self.blob, offset).await {
                Ok(input) => Some(input),
                Err(error) => {
                    // What the registry refuses is not there to be taken up again.
                    if !error.is_passing() {
                        ingest.discard();
                    }
                    return Err(error.into());
                }
            }
        } else {
            None
        };
        let snapshots = self.unpack.then(|| self.store.inner.snapshots.clone());
        let digest = self.digest.clone();
        let forsaken = Arc::clone(&self.forsaken);
        let is_forsaken = move || forsaken.load(Ordering::Relaxed);
        let input_of = PieceReader::new(rx);
        let worker = blocking(move || take_in(snapshots.as_ref(), ingest, input_of, size, digest, is_forsaken));
        // Owns the sending end: when it is done, the worker sees that nothing more comes.
        let pump = async move {
            let Some(mut input) = input else {
                let _ = tx.send(Piece::End).await;
                return Ok(());
            };
            let mut here = offset;
            while let Some(piece) = input.next().await {
                let piece: Bytes = match piece {
                    Ok(piece) => piece,
                    Err(e) => {
                        let kind = if e.is_passing() { INTERRUPTED } else { REFUSED };
                        let _ = tx.send(Piece::Failed(kind.into())).await;
                        return Err(Error::from(e));
                    }
                };
                here += piece.len() as u64;
                if tx.send(Piece::Data(piece)).await.is_err() {
                    // The worker has failed and knows why.
                    return Ok(());
                }
                self.state.send_replace(State::Downloading(here));
            }
            self.state.send_replace(State::Extracting);
            let _ = tx.send(Piece::End).await;
            Ok(())
        };
        let (worked, pumped) = tokio::join!(worker, pump);
        // A broken connection is the reason for the worker's failure, not the other way round.
        pumped?;
        worked
    }

    /// Opens the partial blob; the worker of a cancelled pull may hold it for a moment.
    async fn ingest(&self, size: u64) -> Result<Ingest> {
        for _ in 0..200 {
            let (content, digest) = (self.store.inner.content.clone(), self.digest.clone());
            match blocking(move || Ok(content.ingest(&digest, size))).await? {
                Err(content::Error::Busy(_)) => tokio::time::sleep(Duration::from_millis(25)).await,
                other => return Ok(other?),
            }
        }
        Err(content::Error::Busy(self.digest.clone()).into())
    }
}

/// Writes the blob and unpacks it at the same time.
fn take_in(
    snapshots: Option<&snapshot::Store>,
    mut ingest: Ingest,
    network: PieceReader<mpsc::Receiver<Piece>>,
    size: u64,
    digest: Digest,
    is_forsaken: impl Fn() -> bool,
) -> Result<Attempt> {
    let resumed = ingest.offset();
    let before: Option<File> = (resumed > 0).then(|| ingest.reader()).transpose()?;
    let mut disk_error = None;
    let tee = Tee::new(network, |bytes: &[u8]| {
        ingest.write(bytes).map_err(|e| {
            disk_error = Some(e);
            io::Error::from(io::ErrorKind::WriteZero)
        })
    });
    let before: Box<dyn BufRead + Send> = match before {
        Some(file) => Box::new(BufReader::with_capacity(256 << 10, file).take(resumed)),
        None => Box::new(io::empty()),
    };
    let mut input = before.chain(tee);
    let unpacked = match snapshots {
        Some(snapshots) => unpack(snapshots, &mut input, Vec::new()).map(Some),
        None => Ok(None),
    };
    // What broke off early: the rest still decides whether the blob is the right one.
    let is_full = matches!(&unpacked, Err(Error::Archive(e)) if e.is_no_space());
    let rest = if is_full { Ok(0) } else { io::copy(&mut input, &mut io::sink()) };
    drop(input);
    if let Some(e) = disk_error {
        // A full disk is not helped by what could not be finished on it.
        ingest.discard();
        return Err(e.into());
    }
    if is_full {
        ingest.discard();
        return Ok(Attempt::Whole(unpacked?));
    }
    if let Err(e) = rest {
        // Nothing of a pull that failed is left behind. One that was given up keeps its part for the next, and so does one
        // whose connection broke too often, of what it found here.
        let has_failed = e.kind() == INTERRUPTED || (e.kind() == GIVEN_UP && is_forsaken());
        if e.kind() == REFUSED || (has_failed && resumed == 0) {
            ingest.discard();
        }
        return Err(archive::Error::from_input(e).into());
    }
    match ingest.commit(size) {
        Ok(()) => {}
        Err(content::Error::Digest { .. } | content::Error::Size { .. }) if resumed > 0 => return Ok(Attempt::Stale),
        Err(source) => return Err(Error::Commit { digest, source }),
    }
    Ok(Attempt::Whole(unpacked?))
}
