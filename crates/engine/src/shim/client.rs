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
    /// Says hello on a fresh connection and starts reading. Events go to `on_event` until and including
    /// [`ShimEvent::Gone`].
    pub(crate) async fn connect(
        conn: Conn,
        on_event: impl Fn(ShimEvent) + Send + Sync + 'static,
    ) -> Result<(Self, Hello), Error> {
        let io = |source| Error::Io { op: "watch", path: "shim.sock".into(), source };
        conn.set_nonblocking(true).map_err(io)?;
        let inner = Arc::new(Inner {
            socket: crate::files::watch(Socket(conn)).map_err(io)?,
            next_tag: AtomicU64::new(1),
            pending: Mutex::new(Some(HashMap::new())),
        });
        let reader = inner.clone();
        tokio::spawn(async move { reader.read_all(&on_event).await });
        let client = Self { inner };
        match client.request(Request::Hello { version: VERSION }).await? {
            (Reply::Hello(hello), _) => Ok((client, *hello)),
            (Reply::Error(fault), _) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request(&self, request: Request) -> Result<Answer, Error> {
        let tag = self.inner.next_tag.fetch_add(1, Ordering::Relaxed);
        let (tx, rx) = oneshot::channel();
        match self.inner.pending().as_mut() {
            Some(pending) => pending.insert(tag, tx),
            None => return Err(Error::ShimGone),
        };
        let message = ToShim { tag, request };
        let sent = self.inner.socket.async_io(Interest::WRITABLE, |s| match s.0.send(&message, &[]) {
            Ok(()) => Ok(()),
            Err(ConnError::WouldBlock) => Err(std::io::ErrorKind::WouldBlock.into()),
            Err(_) => Err(std::io::ErrorKind::BrokenPipe.into()),
        });
        let answer = async {
            sent.await.map_err(|_| Error::ShimGone)?;
            rx.await.map_err(|_| Error::ShimGone)
        };
        let result = tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or(Err(Error::ShimGone));
        if result.is_err()
            && let Some(pending) = self.inner.pending().as_mut()
        {
            pending.remove(&tag);
        }
        result
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
        match self.request(Request::Attach(spec)).await? {
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
