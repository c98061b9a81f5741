//! A command on a terminal: keys in, screen out, window sizes.

use crate::cli::Cli;
use crate::engine::Engine;
use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running command whose terminal we hold.
#[derive(Debug)]
pub struct Pty {
    master: File,
    child: Child,
    seen: Vec<u8>,
    /// Where the next `expect` begins.
    mark: usize,
}

impl Pty {
    /// Starts a bash script in the engine's machine on a new terminal; `docker` means the given command line.
    pub fn spawn(engine: &Engine, cli: &Cli, script: &str, rows: u16, cols: u16) -> anyhow::Result<Self> {
        let mut command = engine.machine.command("setsid")?;
        command.args(["--ctty", "--wait", "bash", "-c", script]).envs(engine.cli_environment(cli));
        Self::start(command, rows, cols)
    }

    fn start(mut command: Command, rows: u16, cols: u16) -> anyhow::Result<Self> {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        tcsetwinsize(&slave, size(rows, cols))?;
        let child = command
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave))
            .spawn()
            .context("starting the command")?;
        Ok(Self { master: File::from(master), child, seen: Vec::new(), mark: 0 })
    }

    /// Types.
    pub fn send(&mut self, keys: &str) -> anyhow::Result<()> {
        self.master.write_all(keys.as_bytes()).context("typing")
    }

    /// Changes the window, which the kernel tells the program by SIGWINCH.
    pub fn resize(&self, rows: u16, cols: u16) -> anyhow::Result<()> {
        tcsetwinsize(&self.master, size(rows, cols)).context("window size")
    }

    /// Waits until the text appears after what earlier calls have consumed; returns what came before it.
    pub fn expect(&mut self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let fresh = String::from_utf8_lossy(&self.seen[self.mark..]).into_owned();
            if let Some(at) = fresh.find(text) {
                self.mark += at + text.len();
                return Ok(fresh[..at].to_owned());
            }
            if !self.read_some(deadline)? {
                bail!("expected {text:?}, the terminal shows:\n{fresh}");
            }
        }
    }

    /// Reads until the command ends; returns its exit code.
    pub fn finish(&mut self, limit: Duration) -> anyhow::Result<i32> {
        let deadline = Instant::now() + limit;
        while self.read_some(deadline)? {}
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(crate::machine::exit_code(status));
            }
            if Instant::now() > deadline {
                bail!("the command does not end; the terminal shows:\n{}", self.screen());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything the terminal has shown.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads once; false when the time is up or the other side is closed.
    fn read_some(&mut self, deadline: Instant) -> anyhow::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
        let left = rustix::event::Timespec { tv_sec: left.as_secs().try_into()?, tv_nsec: left.subsec_nanos().into() };
        if poll(&mut fds, Some(&left))? == 0 {
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        match self.master.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.seen.extend_from_slice(&buffer[..n]);
                Ok(true)
            }
            // EIO: no process has the terminal open any more.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(false),
            Err(e) => Err(e).context("reading the terminal"),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, cols: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }
}
