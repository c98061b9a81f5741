//! Bytes on their way from one thread to another, bounded.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;

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
