//! A client that is attached to a container or an exec session: bytes go both ways until one side has had enough.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::Error;
use crate::containers::{Attached, LogStream};

/// `ctrl-p,ctrl-q`.
const DEFAULT_DETACH_KEYS: &[u8] = &[16, 17];
const BUFFER: usize = 32 * 1024;
/// How long a process may live on after it has closed its output before the client is let go.
const OVER_TIMEOUT: Duration = Duration::from_secs(1);

/// An attachment that is ready to carry bytes. Give it the client's connection with [`Self::run`].
pub struct Session {
    /// The process has a terminal: the stream is raw, not in frames.
    pub tty: bool,
    /// The process has a terminal, and yet the client asked for frames.
    pub(crate) framed: bool,
    pub(crate) logs: Option<LogStream>,
    pub(crate) stream: Option<Attached>,
    pub(crate) stdin: bool,
    pub(crate) detach_keys: Vec<u8>,
    pub(crate) on_detach: Box<dyn FnOnce() + Send + Sync>,
    /// Becomes true when the exit code is known; the client's connection is kept until then.
    pub(crate) over: Option<watch::Receiver<bool>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("tty", &self.tty).finish_non_exhaustive()
    }
}

/// Why the client's direction ended.
#[derive(PartialEq, Eq)]
enum InputEnd {
    Eof,
    Detached,
}

impl Session {
    /// Carries bytes until the process' output ends, the client detaches, or the client goes.
    ///
    /// # Errors
    /// Reading the log failed. A connection that breaks is no error: it is how clients leave.
    pub async fn run<C: AsyncRead + AsyncWrite + Unpin>(mut self, mut client: C) -> Result<(), Error> {
        if let Some(logs) = &mut self.logs {
            while let Some(chunk) = logs.next().await {
                let chunk: Bytes = chunk?;
                if client.write_all(&chunk).await.is_err() {
                    return Ok(());
                }
            }
        }
        let stream = match self.stream.take() {
            Some(Attached::Now(stream)) => stream,
            // No stream: the container was removed, or did not start.
            Some(Attached::Later(rx)) => match rx.await {
                Ok(stream) => stream,
                Err(_) => return Ok(()),
            },
            None => return Ok(()),
        };
        if self.copy(stream, client).await == InputEnd::Detached {
            (self.on_detach)();
        }
        Ok(())
    }

    /// Passes output on, in a frame of standard output where the client wants one.
    async fn write<W: AsyncWrite + Unpin>(&self, to: &mut W, output: &[u8]) -> std::io::Result<()> {
        if self.framed {
            let mut header = [1, 0, 0, 0, 0, 0, 0, 0];
            header[4..].copy_from_slice(&u32::try_from(output.len()).unwrap_or(u32::MAX).to_be_bytes());
            to.write_all(&header).await?;
        }
        to.write_all(output).await
    }

    async fn copy<C: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: UnixStream, client: C) -> InputEnd {
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut output, mut input) = stream.split();
        let output_done = async {
            let mut buffer = vec![0; BUFFER];
            loop {
                match output.read(&mut buffer).await {
                    Ok(n) if n > 0 && self.write(&mut to_client, &buffer[..n]).await.is_ok() => {
                        // A client that reads through a buffering layer sees every chunk at once.
                        let _ = to_client.flush().await;
                    }
                    _ => break,
                }
            }
            if let Some(mut over) = self.over.clone() {
                let _ = tokio::time::timeout(OVER_TIMEOUT, over.wait_for(|over| *over)).await;
            }
            let _ = to_client.shutdown().await;
        };
        let input_done = async {
            let end = if self.stdin {
                copy_input(&mut from_client, &mut input, &self.detach_keys).await
            } else {
                watch_client(&mut from_client).await
            };
            if end == InputEnd::Eof {
                let _ = input.shutdown().await;
                // The output goes on without an input.
                std::future::pending::<()>().await;
            }
            end
        };
        tokio::select! {
            () = output_done => InputEnd::Eof,
            end = input_done => end,
        }
    }
}

/// Without standard input only the client's going matters. A half-closed client still reads.
async fn watch_client<R: AsyncRead + Unpin>(from: &mut R) -> InputEnd {
    let mut scratch = [0; 512];
    while matches!(from.read(&mut scratch).await, Ok(n) if n > 0) {}
    InputEnd::Eof
}

async fn copy_input<R, W>(from: &mut R, to: &mut W, keys: &[u8]) -> InputEnd
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut scanner = DetachScanner::new(keys);
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(n) if n > 0 => n,
            _ => {
                let _ = to.write_all(&scanner.finish()).await;
                return InputEnd::Eof;
            }
        };
        let (bytes, detached) = scanner.scan(&buffer[..n]);
        if to.write_all(&bytes).await.is_err() && !detached {
            return InputEnd::Eof;
        }
        if detached {
            return InputEnd::Detached;
        }
    }
}

/// Finds the detach sequence in the input; bytes that might belong to it are held back until that is clear.
struct DetachScanner<'k> {
    keys: &'k [u8],
    matched: usize,
}

impl<'k> DetachScanner<'k> {
    fn new(keys: &'k [u8]) -> Self {
        Self { keys, matched: 0 }
    }

    /// The bytes to pass on, and whether the sequence is complete.
    fn scan(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(input.len());
        for &byte in input {
            if self.keys.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(self.keys.first() == Some(&byte));
            if self.matched == 0 {
                out.push(byte);
            }
        }
        (out, false)
    }

    fn finish(&mut self) -> Vec<u8> {
        self.keys[..std::mem::take(&mut self.matched)].to_vec()
    }
}

/// Reads Docker's notation of keys: single characters and `ctrl-x`, comma separated.
pub(crate) fn parse_detach_keys(keys: Option<&str>) -> Result<Vec<u8>, Error> {
    let Some(keys) = keys.filter(|k| !k.is_empty()) else { return Ok(DEFAULT_DETACH_KEYS.to_vec()) };
    let invalid = || Error::Invalid(format!("Invalid detach keys ({keys}) provided"));
    keys.split(',')
        .map(|key| match key.as_bytes() {
            [byte] => Ok(*byte),
            [b'c', b't', b'r', b'l', b'-', byte] => match byte {
                b'a'..=b'z' => Ok(byte - b'a' + 1),
                b'@' => Ok(0),
                b'[' => Ok(27),
                b'\\' => Ok(28),
                b']' => Ok(29),
                b'^' => Ok(30),
                b'_' => Ok(31),
                _ => Err(invalid()),
            },
            _ => Err(invalid()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_found_across_reads_and_false_starts_pass() {
        let mut s = DetachScanner::new(&[16, 17]);
        assert_eq!(s.scan(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(s.scan(b"x\x10"), (b"\x10x".to_vec(), false));
        assert_eq!(s.scan(b"\x10"), (b"\x10".to_vec(), false));
        assert_eq!(s.scan(b"\x11rest"), (vec![], true));
        let mut s = DetachScanner::new(&[16, 17]);
        assert_eq!(s.scan(b"\x10"), (vec![], false));
        assert_eq!(s.finish(), b"\x10");
    }

    #[test]
    fn keys_are_read_in_dockers_notation() {
        assert_eq!(parse_detach_keys(None).expect("default"), [16, 17]);
        assert_eq!(parse_detach_keys(Some("ctrl-a,x,ctrl-]")).expect("valid"), [1, b'x', 29]);
        assert!(parse_detach_keys(Some("ctrl-A")).is_err());
        assert!(parse_detach_keys(Some("ab")).is_err());
    }
}
