use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::{AttachSpec, Conn, ConnError, Event, Fault, FromShim, Hello, Reply, Request, ToShim, VERSION};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::Error;

/// How long a shim may take to answer. It does nothing slow while a request waits, so more means that it is stopped or
/// the host is out of breath.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a shim reports to the owner of its container.
#[derive(Debug)]
pub(crate) enum ShimEvent {
    /// It says something.
    Said(Event),
    /// The connection is over.
    Gone,
}

struct Socket(Conn);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

type Answer = (Reply, Vec<OwnedFd>);

/// A request that is on its way.
#[derive(Debug)]
pub(crate) struct Posted {
    tag: u64,
    answer: oneshot::Receiver<Answer>,
}

struct Inner {
    socket: AsyncFd<Socket>,
    next_tag: AtomicU64,
    pending: Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>,
}

/// One connection to one shim. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ShimClient {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for ShimClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShimClient").finish_non_exhaustive()
    }
}

impl Inner {
    fn pending(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_all(&self, on_event: &(dyn Fn(ShimEvent) + Send + Sync)) {
        while let Ok(mut ready) = self.socket.readable().await {
            match self.socket.get_ref().0.recv::<FromShim>() {
                Ok(Some((FromShim::Reply { tag, reply }, fds))) => {
                    let waiter = self.pending().as_mut().and_then(|p| p.remove(&tag));
                    if let Some(waiter) = waiter {
                        // Who asked may have gone.
                        let _ = waiter.send((reply, fds));
                    }
                }
                Ok(Some((FromShim::Event(event), _))) => on_event(ShimEvent::Said(event)),
                Err(ConnError::WouldBlock) => ready.clear_ready(),
                Err(error @ ConnError::Decode(_)) => tracing::warn!("shim: {error}"),
                Ok(None) | Err(_) => break,
            }
        }
        self.pending().take();
        on_event(ShimEvent::Gone);
    }
}

impl ShimClient {
    /// Starts reading from a fresh connection, on which the first request must be [`Request::Hello`]. Events go to `on_event`
    /// until and including [`ShimEvent::Gone`].
    pub(crate) fn new(conn: Conn, on_event: impl Fn(ShimEvent) + Send + Sync + 'static) -> Result<Self, Error> {
        let io = |source| Error::Io { op: "watch", path: "shim.sock".into(), source };
        conn.set_nonblocking(true).map_err(io)?;
        let inner = Arc::new(Inner {
            socket: crate::files::watch(Socket(conn)).map_err(io)?,
            next_tag: AtomicU64::new(1),
            pending: Mutex::new(Some(HashMap::new())),
        });
        let reader = inner.clone();
        tokio::spawn(async move { reader.read_all(&on_event).await });
        Ok(Self { inner })
    }

    /// [`Self::new`], and what the shim says of itself.
    pub(crate) async fn connect(
        conn: Conn,
        on_event: impl Fn(ShimEvent) + Send + Sync + 'static,
    ) -> Result<(Self, Hello), Error> {
        let client = Self::new(conn, on_event)?;
        let hello = client.hello(client.post_hello().await?).await?;
        Ok((client, hello))
    }

    /// The first request.
    pub(crate) async fn post_hello(&self) -> Result<Posted, Error> {
        self.post(Request::Hello { version: VERSION }).await
    }

    /// What the shim says of itself.
    pub(crate) async fn hello(&self, posted: Posted) -> Result<Hello, Error> {
        match self.answer(posted).await? {
            (Reply::Hello(hello), _) => Ok(*hello),
            (Reply::Error(fault), _) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }

    /// Asks without waiting. The shim serves requests in the order they were posted in.
    pub(crate) async fn post(&self, request: Request) -> Result<Posted, Error> {
        let tag = self.inner.next_tag.fetch_add(1, Ordering::Relaxed);
        let (tx, answer) = oneshot::channel();
        match self.inner.pending().as_mut() {
            Some(pending) => pending.insert(tag, tx),
            None => return Err(Error::ShimGone),
        };
        let posted = Posted { tag, answer };
        let message = ToShim { tag, request };
        let send = |s: &Socket| -> std::io::Result<()> {
            match s.0.send(&message, &[]) {
                Ok(()) => Ok(()),
                Err(ConnError::WouldBlock) => Err(std::io::ErrorKind::WouldBlock.into()),
                Err(_) => Err(std::io::ErrorKind::BrokenPipe.into()),
            }
        };
        // There is room almost always: no detour over the poller.
        let sent = match send(self.inner.socket.get_ref()) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                let sent = self.inner.socket.async_io(Interest::WRITABLE, send);
                tokio::time::timeout(ANSWER_TIMEOUT, sent).await.unwrap_or(Err(std::io::ErrorKind::TimedOut.into()))
            }
            sent => sent,
        };
        match sent {
            Ok(()) => Ok(posted),
            Err(_) => {
                self.forget(&posted);
                Err(Error::ShimGone)
            }
        }
    }

    /// Waits for the answer.
    pub(crate) async fn answer(&self, mut posted: Posted) -> Result<Answer, Error> {
        match tokio::time::timeout(ANSWER_TIMEOUT, &mut posted.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => {
                self.forget(&posted);
                Err(Error::ShimGone)
            }
        }
    }

    fn forget(&self, posted: &Posted) {
        if let Some(pending) = self.inner.pending().as_mut() {
            pending.remove(&posted.tag);
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request(&self, request: Request) -> Result<Answer, Error> {
        let posted = self.post(request).await?;
        self.answer(posted).await
    }

    /// Asks for something whose only good answer is [`Reply::Ok`].
    pub(crate) async fn ask(&self, request: Request) -> Result<(), Error> {
        match self.request(request).await?.0 {
            Reply::Ok => Ok(()),
            Reply::Error(fault) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }

    /// Gets a stream socket of the container or an exec session.
    pub(crate) async fn attach(&self, spec: AttachSpec) -> Result<UnixStream, Error> {
        let posted = self.post(Request::Attach(spec)).await?;
        self.attached(posted).await
    }

    /// The second half of [`Self::attach`].
    pub(crate) async fn attached(&self, posted: Posted) -> Result<UnixStream, Error> {
        match self.answer(posted).await? {
            (Reply::Attached, fds) => {
                let fd = fds.into_iter().next().ok_or(Error::ShimGone)?;
                let stream = std::os::unix::net::UnixStream::from(fd);
                let io = |source| Error::Io { op: "attach to", path: "shim".into(), source };
                stream.set_nonblocking(true).map_err(io)?;
                UnixStream::from_std(stream).map_err(io)
            }
            (Reply::Error(fault), _) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }

    /// Sends a signal to the init, or to an exec session.
    pub(crate) async fn signal(&self, exec: Option<String>, signal: i32) -> Result<(), Error> {
        self.ask(Request::Signal { exec, signal, all: false }).await
    }

    /// PIDs of the container in the daemon's namespace.
    pub(crate) async fn pids(&self) -> Result<Vec<i32>, Error> {
        match self.request(Request::Pids).await?.0 {
            Reply::Pids { pids } => Ok(pids),
            Reply::Error(fault) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }
}

/// True if the fault only says that the process is gone already.
pub(crate) fn is_not_running(error: &Error) -> bool {
    matches!(error, Error::Shim(Fault::NotRunning) | Error::ShimGone)
}
