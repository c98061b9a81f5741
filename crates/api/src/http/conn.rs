//! The layer between a socket and hyper, HTTP/1 only: finds the requests that take a connection over without an
//! `Upgrade` header (clients from before Docker 1.8 and some libraries) and gives them one, swaps the `101` that hyper
//! then writes for the `200` those clients expect, keeps a half-closed stdin from looking like a vanished client, and
//! bounds the time a client takes to send a head.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::http::head::{self, After};
use crate::http::transport::Transport;

/// Bytes of a head that are looked at; of a longer one hyper says that it is too long.
const MAX_HEAD: usize = 64 * 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// To send the first head after it connected, and any head after its first byte.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
}

#[derive(Debug)]
enum Reading {
    /// Bytes of the next head so far.
    Head(Vec<u8>),
    /// Bytes that are looked at and now go to hyper, then this many of a body.
    Handing { bytes: Vec<u8>, at: usize, then: After },
    /// This many bytes of a body.
    Body(u64),
    /// Whatever comes.
    Blind,
}

/// A connection as hyper sees it.
pub(crate) struct Conn {
    io: Transport,
    patience: Patience,
    reading: Reading,
    timer: Option<Pin<Box<Sleep>>>,
    /// An end of input is kept back until the connection is handed over.
    hold_eof: bool,
    eof: bool,
    /// The reply's head is being looked at: hyper's bytes so far.
    reply: Option<Vec<u8>>,
    /// Bytes that still have to go out before anything else.
    out: Vec<u8>,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("io", &self.io).field("reading", &self.reading).finish_non_exhaustive()
    }
}

impl Conn {
    /// A connection of which `start` was read already.
    pub(crate) fn new(io: Transport, start: Vec<u8>, patience: Patience) -> Self {
        let mut conn = Self {
            io,
            patience,
            reading: Reading::Head(start),
            timer: None,
            hold_eof: false,
            eof: false,
            reply: None,
            out: Vec::new(),
        };
        conn.look_at_head();
        conn
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.io
    }

    /// The connection is no HTTP any more: an end of input is an end of input.
    pub(crate) fn hand_over(&mut self) {
        self.hold_eof = false;
    }

    /// If the head is whole, decides what becomes of the connection and hands the head on.
    fn look_at_head(&mut self) {
        let Reading::Head(bytes) = &mut self.reading else { return };
        let leading = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        bytes.drain(..leading);
        let Some(end) = head::end_of_head(bytes) else {
            if bytes.len() > MAX_HEAD {
                let bytes = std::mem::take(bytes);
                self.reading = Reading::Handing { bytes, at: 0, then: After::Unknown };
            }
            return;
        };
        let mut bytes = std::mem::take(bytes);
        self.timer = None;
        let seen = head::inspect(&bytes[..end]);
        if seen.hijacks {
            self.hold_eof = true;
        }
        if seen.hijacks && !seen.upgrade {
            let rest = bytes.split_off(end);
            bytes = head::with_upgrade(&bytes);
            bytes.extend_from_slice(&rest);
            self.reply = Some(Vec::new());
        }
        let then = match seen.after {
            // What was read beyond the head counts; if it reaches into the next head, hyper has it and we look no more.
            After::Body(length) => {
                let beyond = (bytes.len() - end) as u64;
                if beyond > length { After::Unknown } else { After::Body(length - beyond) }
            }
            After::Unknown => After::Unknown,
        };
        self.reading = Reading::Handing { bytes, at: 0, then };
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Reading::Head(bytes) = &mut self.reading else { return Poll::Ready(Ok(())) };
            let mut chunk = [std::mem::MaybeUninit::uninit(); 8192];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match Pin::new(&mut self.io).poll_read(cx, &mut chunk)? {
                Poll::Ready(()) if chunk.filled().is_empty() => {
                    // hyper tells a clean end from a broken head by what it got.
                    let bytes = std::mem::take(bytes);
                    self.reading = Reading::Handing { bytes, at: 0, then: After::Unknown };
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(()) => {
                    let first = bytes.is_empty();
                    bytes.extend_from_slice(chunk.filled());
                    if first {
                        self.timer = None;
                    }
                    self.look_at_head();
                }
                Poll::Pending => {
                    let wait = if bytes.is_empty() { self.patience.idle } else { self.patience.head };
                    let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
                    ready!(timer.as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }

    fn poll_blind(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if !self.eof {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.eof = true;
        }
        // Nobody is woken: once handed over, the connection is polled by its new owner.
        if self.hold_eof { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Writes what is kept in `out`.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.drain(..n);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes bytes of the reply's head; when it is whole, puts what the client expects into `out`.
    fn take_reply(&mut self, buf: &[u8]) {
        let Some(mut head) = self.reply.take() else { return };
        head.extend_from_slice(buf);
        match head::end_of_head(&head) {
            Some(end) if head.starts_with(b"HTTP/1.1 101 ") => {
                self.out.extend_from_slice(head::PLAIN_REPLY);
                self.out.extend_from_slice(&head[end..]);
            }
            Some(_) => self.out.append(&mut head),
            None => self.reply = Some(head),
        }
    }
}

impl AsyncRead for Conn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.reading {
                Reading::Head(_) => ready!(this.poll_head(cx))?,
                Reading::Handing { bytes, at, then } => {
                    let n = buf.remaining().min(bytes.len() - *at);
                    buf.put_slice(&bytes[*at..*at + n]);
                    *at += n;
                    let empty = bytes.is_empty();
                    if *at == bytes.len() {
                        this.reading = match *then {
                            After::Body(0) => Reading::Head(Vec::new()),
                            After::Body(n) => Reading::Body(n),
                            After::Unknown => Reading::Blind,
                        };
                    }
                    if !empty {
                        return Poll::Ready(Ok(()));
                    }
                }
                Reading::Body(left) => {
                    let room = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.remaining());
                    if room == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let left = *left;
                    let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
                    ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
                    let n = part.filled().len();
                    buf.advance(n);
                    this.reading = match left - n as u64 {
                        _ if n == 0 => Reading::Blind,
                        0 => Reading::Head(Vec::new()),
                        left => Reading::Body(left),
                    };
                    return Poll::Ready(Ok(()));
                }
                Reading::Blind => return this.poll_blind(cx, buf),
            }
        }
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(cx))?;
        if self.reply.is_some() {
            self.take_reply(buf);
            // What does not go out now goes with the next write or flush.
            let _ = self.poll_out(cx)?;
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(cx))?;
        if self.reply.is_some() {
            let first: &[u8] = bufs.iter().find(|b| !b.is_empty()).map_or(&[], |b| b);
            return self.poll_write(cx, first);
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
