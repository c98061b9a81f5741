//! Bytes on their way from one thread to another, bounded.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::store::lock;

/// What travels. A sender that is dropped without [`Piece::End`] has failed: its reader must not take what came
/// for the whole.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    End,
    Failed(io::Error),
}

/// Where pieces come from.
pub(crate) trait Source: Send {
    /// The next piece; `None` if the other side is gone.
    fn next(&mut self) -> Option<Piece>;
}

impl Source for Receiver<Piece> {
    fn next(&mut self) -> Option<Piece> {
        self.recv().ok()
    }
}

impl Source for tokio::sync::mpsc::Receiver<Piece> {
    fn next(&mut self) -> Option<Piece> {
        self.blocking_recv()
    }
}

/// Buffers for pieces, used again when their last reader is done: large blocks from the allocator are mapped anew each time, and
/// every page of them costs a fault.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    size: usize,
    free: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, free: Arc::default() }
    }

    /// Reads a piece: about a buffer full, empty at the end of the input.
    pub(crate) fn read(&self, input: &mut impl Read) -> io::Result<Bytes> {
        let free = lock(&self.free).pop();
        let bytes = free.unwrap_or_else(|| vec![0; self.size].into_boxed_slice());
        let mut buffer = Buffer { bytes, used: 0, home: Arc::clone(&self.free) };
        // A rest that is small would cost a decoder a copy through a buffer of its own.
        while buffer.used <= self.size / 2 {
            match input.read(&mut buffer.bytes[buffer.used..]) {
                Ok(0) => break,
                Ok(n) => buffer.used += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Bytes::from_owner(buffer))
    }
}

/// A buffer on its way; it goes home by itself.
struct Buffer {
    bytes: Box<[u8]>,
    used: usize,
    home: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        lock(&self.home).push(std::mem::take(&mut self.bytes));
    }
}

/// A pipe between threads, holding at most `pieces`.
pub(crate) fn pipe(pieces: usize) -> (SyncSender<Piece>, PieceReader<Receiver<Piece>>) {
    let (tx, rx) = sync_channel(pieces);
    (tx, PieceReader::new(rx))
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct PieceReader<S> {
    source: S,
    piece: Bytes,
    end: bool,
    /// What the other side failed with: reading on fails again.
    failed: Option<io::ErrorKind>,
}

impl<S: Source> PieceReader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, piece: Bytes::new(), end: false, failed: None }
    }

    /// Waits for the next piece if there is none; gives it whole.
    pub(crate) fn peek(&mut self) -> io::Result<&Bytes> {
        while self.piece.is_empty() && !self.end {
            if let Some(kind) = self.failed {
                return Err(kind.into());
            }
            match self.source.next() {
                Some(Piece::Data(data)) => self.piece = data,
                Some(Piece::End) => self.end = true,
                Some(Piece::Failed(e)) => {
                    self.failed = Some(e.kind());
                    return Err(e);
                }
                None => {
                    self.failed = Some(io::ErrorKind::ConnectionAborted);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
        Ok(&self.piece)
    }
}

impl<S: Source> Read for PieceReader<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let n = have.len().min(buf.len());
        buf[..n].copy_from_slice(&have[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<S: Source> BufRead for PieceReader<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek().map(|b| &**b)
    }

    fn consume(&mut self, n: usize) {
        let _ = self.piece.split_to(n.min(self.piece.len()));
    }
}

/// Hands everything that is read on to `take`, once.
pub(crate) struct Tee<R, F> {
    input: R,
    take: F,
    /// Bytes of the current buffer that were handed on.
    seen: usize,
}

impl<R: BufRead, F: FnMut(&[u8]) -> io::Result<()>> Tee<R, F> {
    pub(crate) fn new(input: R, take: F) -> Self {
        Self { input, take, seen: 0 }
    }
}

impl<R: BufRead, F: FnMut(&[u8]) -> io::Result<()>> Read for Tee<R, F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let n = have.len().min(buf.len());
        buf[..n].copy_from_slice(&have[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead, F: FnMut(&[u8]) -> io::Result<()>> BufRead for Tee<R, F> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let buf = self.input.fill_buf()?;
        if self.seen < buf.len() {
            (self.take)(&buf[self.seen..])?;
            self.seen = buf.len();
        }
        Ok(buf)
    }

    fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.seen = self.seen.saturating_sub(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_home_and_hold_what_was_read_last() {
        let pool = Pool::new(8);
        let mut input: &[u8] = b"0123456789abcdefXY";
        let first = pool.read(&mut input).expect("reads");
        let second = pool.read(&mut input).expect("reads");
        assert_eq!((&first[..], &second[..]), (&b"01234567"[..], &b"89abcdef"[..]));
        drop(first);
        let third = pool.read(&mut input).expect("reads");
        assert_eq!((&third[..], &second[..]), (&b"XY"[..], &b"89abcdef"[..]));
        assert!(pool.read(&mut input).expect("reads").is_empty());
        drop((second, third));
        assert_eq!(pool.free.lock().expect("lock").len(), 3, "no more than were needed at once");
    }
}
