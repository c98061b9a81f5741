//! The caller's terminal while a process with a terminal of its own runs in the foreground.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use shim_proto::Size;

/// Size of the caller's terminal, if there is one.
pub(crate) fn size() -> Option<Size> {
    let found = tcgetwinsize(rustix::stdio::stdin()).or_else(|_| tcgetwinsize(rustix::stdio::stdout())).ok()?;
    (found.ws_row > 0 && found.ws_col > 0).then_some(Size { rows: found.ws_row, cols: found.ws_col })
}

/// Makes the process' terminal as large as the caller's.
pub(crate) fn resize(master: BorrowedFd<'_>) {
    if let Some(size) = size() {
        let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = tcsetwinsize(master, size);
    }
}

/// The caller's terminal in raw mode, until this is dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Standard input, if it is a terminal.
    pub(crate) fn enter() -> Self {
        let stdin = rustix::stdio::stdin();
        let before = if isatty(stdin) { tcgetattr(stdin).ok() } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = tcsetattr(stdin, OptionalActions::Now, &raw);
        }
        Self { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Copies between the caller's streams and a terminal's master side.
#[derive(Debug)]
pub(crate) struct Relay {
    master: OwnedFd,
    /// The caller's input goes on.
    pub(crate) input: bool,
}

impl Relay {
    pub(crate) fn new(master: OwnedFd) -> Self {
        Self { master, input: true }
    }

    pub(crate) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Copies what there is of the input. A terminal has no end of input that could be handed on.
    pub(crate) fn input(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(count) if count > 0 => self.input = write_all(self.master(), buffer.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            _ => self.input = false,
        }
    }

    /// Copies what there is of the output; whether there may be more.
    pub(crate) fn output(&self) -> bool {
        let mut buffer = [0; 16384];
        match rustix::io::read(self.master(), &mut buffer) {
            Ok(count) if count > 0 => write_all(rustix::stdio::stdout(), buffer.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => true,
            // EIO: nobody has the other side any more.
            _ => false,
        }
    }
}

fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) -> bool {
    while !data.is_empty() {
        match rustix::io::write(fd, data) {
            Ok(count) => data = data.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
