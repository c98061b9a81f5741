use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::http::intake::Intake;

/// Chunks that may wait for a slow client before the producer has to.
const QUEUE: usize = 4;

/// A response's body.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// All of it.
    Full(Option<Bytes>),
    /// All of it, then trailers.
    Trailed(Option<Bytes>, Option<Box<HeaderMap>>),
    /// Chunk by chunk, each flushed when it comes. An error breaks the connection off, so that the client sees that
    /// the body is not whole.
    Chunks(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    /// A body made of what is sent. It ends when the sender is dropped; sending fails once the client is gone.
    pub fn chunks() -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (BodySender { sender }, Self::Chunks(receiver))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(Some(bytes)) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Trailed(bytes, trailers) => Poll::Ready(match bytes.take() {
                Some(bytes) => Some(Ok(Frame::data(bytes))),
                None => trailers.take().map(|t| Ok(Frame::trailers(*t))),
            }),
            Self::Chunks(receiver) => receiver.poll_recv(cx).map(|next| next.map(|r| r.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty | Self::Full(None) | Self::Trailed(None, None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunks(_) | Self::Trailed(..) => SizeHint::default(),
        }
    }
}

/// The writing end of [`Body::chunks`].
#[derive(Debug, Clone)]
pub struct BodySender {
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl BodySender {
    /// Sends a chunk; waits while the client is slow.
    ///
    /// # Errors
    /// `BrokenPipe` when the client is gone.
    pub async fn send(&self, bytes: impl Into<Bytes>) -> io::Result<()> {
        self.sender.send(Ok(bytes.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Breaks the body off.
    pub async fn fail(&self, error: io::Error) {
        // A client that is gone needs no telling.
        let _ = self.sender.send(Err(error)).await;
    }

    /// Resolves when the client is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    /// A `Write` into this body, for threads that may block.
    pub fn blocking(self) -> BlockingSender {
        BlockingSender { sender: self.sender }
    }

    /// An `AsyncWrite` into this body.
    pub fn writer(self) -> BodyWriter {
        BodyWriter { sender: self.sender, pending: None }
    }
}

/// Collected before a chunk is sent, so that small writes don't become small chunks.
const CHUNK: usize = 64 * 1024;

/// Writes into a [`Body`] from a thread that may block: each write is one chunk.
#[derive(Debug, Clone)]
pub struct BlockingSender {
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl BlockingSender {
    /// Breaks the body off.
    pub fn fail(&self, error: io::Error) {
        // A client that is gone needs no telling.
        let _ = self.sender.blocking_send(Err(error));
    }

    /// Sends bigger chunks.
    pub fn buffered(self) -> io::BufWriter<Self> {
        io::BufWriter::with_capacity(CHUNK, self)
    }
}

impl io::Write for BlockingSender {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let sent = self.sender.blocking_send(Ok(Bytes::copy_from_slice(buf)));
        sent.map(|()| buf.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Reserve = Pin<Box<dyn Future<Output = Option<mpsc::OwnedPermit<io::Result<Bytes>>>> + Send>>;

/// Writes into a [`Body`]: each write is one chunk.
pub struct BodyWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    pending: Option<Reserve>,
}

impl std::fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter").finish_non_exhaustive()
    }
}

impl AsyncWrite for BodyWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sender = self.sender.clone();
        let reserve = self.pending.get_or_insert_with(|| Box::pin(async move { sender.reserve_owned().await.ok() }));
        let Poll::Ready(permit) = reserve.as_mut().poll(cx) else { return Poll::Pending };
        self.pending = None;
        match permit {
            Some(permit) => {
                permit.send(Ok(Bytes::copy_from_slice(buf)));
                Poll::Ready(Ok(buf.len()))
            }
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A request's body as bytes to read.
#[derive(Debug)]
pub struct BodyReader {
    body: Intake,
    chunk: Bytes,
}

impl BodyReader {
    pub(crate) fn new(body: Intake) -> Self {
        Self { body, chunk: Bytes::new() }
    }

    /// The same for a thread that may block.
    pub fn blocking(self, runtime: Handle) -> BlockingReader {
        BlockingReader { body: self, runtime }
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        use hyper::body::Body as _;
        while self.chunk.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(e)) => return Poll::Ready(Err(io::Error::other(e))),
                // Trailers say nothing to us.
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
        let n = self.chunk.len().min(buf.remaining());
        buf.put_slice(&self.chunk.split_to(n));
        Poll::Ready(Ok(()))
    }
}

/// A request's body, read by a thread that may block.
#[derive(Debug)]
pub struct BlockingReader {
    body: BodyReader,
    runtime: Handle,
}

impl io::Read for BlockingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.body.read(buf))
    }
}
