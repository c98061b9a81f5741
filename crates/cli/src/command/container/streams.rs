//! The copy loops between the user's streams and a hijacked connection.

use std::io::{self, Read, Write};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::thread;

use client::{Hijacked, HijackedReader, HijackedWriter};

use super::terminal::{EscapeFilter, RawMode};
use crate::console;
use crate::failure::{Failure, Result};

/// What has happened to an attached session.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The engine's side has ended, or writing here failed.
    OutputEnded(Result<()>),
    /// Our side has ended and the engine has been told.
    InputEnded,
    /// The detach keys were typed.
    Detached,
    /// The container has ended, with this status.
    Exited(Result<i64>),
}

/// How a session is connected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
    /// The bytes that detach; looked for only with a terminal.
    pub(crate) keys: Vec<u8>,
}

/// The one raw mode of the program: any thread may have to end it.
static RAW: Mutex<Option<RawMode>> = Mutex::new(None);

/// The terminal as it was before.
pub(crate) fn restore_terminal() {
    drop(RAW.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Begins to copy in both directions.
pub(crate) fn begin(hijacked: Hijacked, session: &Session, events: &Sender<Happened>) {
    if session.stdin && session.tty {
        *RAW.lock().unwrap_or_else(PoisonError::into_inner) = Some(RawMode::enter());
    }
    let Hijacked { reader, writer, .. } = hijacked;
    if session.stdout || session.stderr {
        let (session, events) = (session.clone(), events.clone());
        spawn("output", move || {
            let ended = copy_output(reader, &session);
            restore_terminal();
            let _ = events.send(Happened::OutputEnded(ended));
        });
    }
    let (session, events) = (session.clone(), events.clone());
    spawn("input", move || {
        let happened = copy_input(writer, &session);
        if matches!(happened, Happened::Detached) || session.stdin {
            restore_terminal_after_input(&session);
        }
        let _ = events.send(happened);
    });
}

fn restore_terminal_after_input(session: &Session) {
    if session.tty {
        restore_terminal();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) {
    if let Err(e) = thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(run) {
        console::err(&format!("cannot start a thread: {e}"));
    }
}

fn copy_output(mut reader: HijackedReader, session: &Session) -> Result<()> {
    if session.tty {
        return copy_raw(&mut reader);
    }
    demultiplex(reader, session.stdout, session.stderr)
}

fn copy_raw(reader: &mut impl Read) -> Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => console::out_bytes(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Takes Docker's frames apart: a header of eight bytes (stream, three zeroes, length) and the bytes.
pub(crate) fn demultiplex(mut reader: impl Read, stdout: bool, stderr: bool) -> Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let mut header = [0; 8];
        if !read_header(&mut reader, &mut header)? {
            return Ok(());
        }
        let mut left = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if header[0] == 3 {
            let mut message = vec![0; left];
            reader.read_exact(&mut message)?;
            let message = String::from_utf8_lossy(&message).into_owned();
            return Err(Failure::new(format!("error from daemon in stream: {message}")));
        }
        if header[0] > 3 {
            return Err(Failure::new(format!("unrecognized stream: {}", header[0])));
        }
        while left > 0 {
            let want = left.min(buffer.len());
            let got = reader.read(&mut buffer[..want])?;
            if got == 0 {
                return Ok(());
            }
            left -= got;
            match header[0] {
                2 if stderr => console::err_bytes(&buffer[..got]),
                0 | 1 if stdout => console::out_bytes(&buffer[..got])?,
                _ => {}
            }
        }
    }
}

/// Reads a whole header; none at the end of the stream.
fn read_header(reader: &mut impl Read, header: &mut [u8; 8]) -> Result<bool> {
    let mut at = 0;
    while at < header.len() {
        match reader.read(&mut header[at..]) {
            Ok(0) => return Ok(false),
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(true)
}

fn copy_input(mut writer: HijackedWriter, session: &Session) -> Happened {
    if session.stdin {
        let mut filter = session.tty.then(|| EscapeFilter::new(session.keys.clone()));
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let got = match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let sent = match &mut filter {
                Some(filter) => {
                    let (bytes, detach) = filter.feed(&buffer[..got]);
                    let sent = writer.write_all(&bytes);
                    if detach {
                        return Happened::Detached;
                    }
                    sent
                }
                None => writer.write_all(&buffer[..got]),
            };
            // The engine has closed its side; what it sent before is still to be read.
            if sent.is_err() {
                return Happened::InputEnded;
            }
        }
    }
    let _ = writer.close_write();
    Happened::InputEnded
}
