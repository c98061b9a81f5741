//! The only place that writes to stdout and stderr.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::{Failure, Result};

/// Writes text to stdout. A reader that went away ends the command quietly, as the broken-pipe signal would.
pub(crate) fn out(text: &str) -> Result<()> {
    out_bytes(text.as_bytes())
}

/// Writes bytes to stdout.
pub(crate) fn out_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| write_failure(&e))
}

/// A line on stdout.
pub(crate) fn line(text: &str) -> Result<()> {
    out(&format!("{text}\n"))
}

/// A line on stderr; failures to write there are nobody's business.
pub(crate) fn err(text: &str) {
    err_bytes(format!("{text}\n").as_bytes());
}

/// Bytes on stderr.
pub(crate) fn err_bytes(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes);
}

pub(crate) fn write_failure(e: &io::Error) -> Failure {
    if e.kind() == io::ErrorKind::BrokenPipe {
        return Failure { text: String::new(), code: 141 };
    }
    Failure::new(format!("write /dev/stdout: {}", crate::failure::go_io(e)))
}

pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Rows and columns of the terminal on stdout, zeroes when there is none.
pub(crate) fn terminal_size() -> (u16, u16) {
    rustix::termios::tcgetwinsize(io::stdout()).map_or((0, 0), |w| (w.ws_row, w.ws_col))
}

/// Columns for help texts: those of the terminal on stdin, else 80.
pub(crate) fn help_width() -> usize {
    rustix::termios::tcgetwinsize(io::stdin()).map_or(80, |w| usize::from(w.ws_col))
}

/// Asks a yes-or-no question on stdout; anything but `y` is no.
pub(crate) fn confirm(question: &str) -> Result<bool> {
    out(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
