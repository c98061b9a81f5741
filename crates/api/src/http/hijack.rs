use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{StatusCode, ext::ReasonPhrase};
use hyper_util::rt::TokioIo;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};

use crate::http::conn::Conn;
use crate::http::{ApiError, Request, Response, empty};

/// How long a peer may go on sending after our side is finished, before the connection is closed on it.
const LINGER: Duration = Duration::from_secs(10);

/// How long the first output waits for the client to have read the answer's head.
const HEAD_READ: Duration = Duration::from_secs(1);
/// The same over TCP, where nobody can see what the client has read.
const HEAD_READ_TCP: Duration = Duration::from_millis(5);
/// For so long a client is expected to wake up any moment: looks are repeated without sleeping.
const AWAKE: Duration = Duration::from_micros(300);

/// A connection that is no HTTP any more: raw bytes both ways.
#[derive(Debug)]
pub struct Hijacked {
    io: Conn,
    early: Bytes,
}

impl<S> Request<S> {
    /// Takes the connection over: answers `101 UPGRADED` and, once the client has read that, runs `then` with the raw
    /// connection in a task of its own.
    ///
    /// # Errors
    /// 400 if the connection cannot be taken over (HTTP/2).
    pub fn hijack<F, R>(&mut self, content_type: &'static str, then: F) -> Result<Response, ApiError>
    where
        F: FnOnce(Hijacked) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let upgrade = self.upgrade.take().ok_or_else(|| ApiError::bad_request("hijack connection missing"))?;
        tokio::spawn(async move {
            match upgrade.await.map_err(io::Error::other).and_then(Hijacked::new) {
                Ok(hijacked) => {
                    hijacked.head_read().await;
                    then(hijacked).await;
                }
                Err(e) => tracing::debug!(error = %e, "client went away before the connection was taken over"),
            }
        });
        let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        response.extensions_mut().insert(ReasonPhrase::from_static(b"UPGRADED"));
        Ok(response)
    }
}

impl Hijacked {
    fn new(upgraded: Upgraded) -> io::Result<Self> {
        let parts = upgraded.downcast::<TokioIo<Conn>>().map_err(|_| io::Error::other("not our connection"))?;
        let mut io = parts.io.into_inner();
        io.hand_over();
        Ok(Self { io, early: parts.read_buf })
    }

    /// Resolves when the client has read the head of our answer, or had time to. Python's `http.client`, on which the SDK
    /// for it stands, loses output that it reads together with the head; Docker is slow enough not to meet that.
    async fn head_read(&self) {
        let transport = self.io.transport();
        if !transport.is_unix() {
            return tokio::time::sleep(HEAD_READ_TCP).await;
        }
        let start = Instant::now();
        while start.elapsed() < HEAD_READ && sys::socket::unread_by_peer(transport).is_ok_and(|bytes| bytes > 0) {
            if start.elapsed() < AWAKE {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Resolves when the peer is gone altogether (not when it only finished sending).
    ///
    /// # Errors
    /// If the connection cannot be watched.
    pub fn watch(&self) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let fd: OwnedFd = self.io.transport().as_fd().try_clone_to_owned()?;
        // Asked to watch for input only, epoll still reports a hang-up; waiting for "writable" then means just that.
        #[expect(
            deprecated,
            reason = "its replacement is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(async move {
            // An error means that the runtime ends.
            let _ = fd.writable().await;
        })
    }

    /// Closes after all output was sent: a peer that is still sending is heard out (closing with unread input would
    /// cut off output that is on its way), but not for long.
    pub async fn close(mut self) {
        // A client that is gone needs no goodbye.
        let _ = self.shutdown().await;
        let mut rest = vec![0; 4096];
        let drain = async { while matches!(self.read(&mut rest).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(LINGER, drain).await;
    }

    /// Sends a last text and closes.
    pub async fn finish(mut self, text: &[u8]) {
        // A client that is gone needs no text.
        let _ = self.write_all(text).await;
        self.close().await;
    }
}

impl AsyncRead for Hijacked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let n = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..n]);
            self.early.advance(n);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hijacked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
