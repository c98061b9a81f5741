//! What a finished command left: exit code, standard output, standard error.

use std::fmt;
use std::time::Duration;

/// A finished command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The command as a person would type it.
    pub command: String,
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// From start to exit.
    pub took: Duration,
    /// It was killed because its time was up.
    pub timed_out: bool,
}

impl Output {
    /// The output when the command succeeded, else an error that shows all of it.
    pub fn ok(self) -> anyhow::Result<Self> {
        if self.code == 0 && !self.timed_out { Ok(self) } else { Err(anyhow::anyhow!("{self}")) }
    }

    /// Standard output without surrounding white space.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.command)?;
        for line in self.stdout.lines() {
            writeln!(f, "> {line}")?;
        }
        for line in self.stderr.lines() {
            writeln!(f, "! {line}")?;
        }
        let late = if self.timed_out { " (time is up: killed)" } else { "" };
        write!(f, "? {}{late} after {} ms", self.code, self.took.as_millis())
    }
}
