//! A process on its way to the user's program, seen from the shim.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};
use shim_proto::{Conn, ConnError, StartError, Step};

use crate::channel::{FromChild, ToChild};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::listener::Listener;

/// A process that was started.
#[derive(Debug)]
pub struct Started {
    /// Its id, as the shim numbers it. It is a child of the shim.
    pub pid: i32,
    /// A handle of it.
    pub pidfd: OwnedFd,
    /// The master side of its terminal.
    pub console: Option<OwnedFd>,
    /// Its word, when that is what it waits for ([`crate::Hold::Word`]).
    pub held: Option<Held>,
}

/// A process that waits for its maker's word. It ends when this is dropped without one.
#[derive(Debug)]
pub struct Held {
    conn: Conn,
}

impl Held {
    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn release(&self) -> Result<(), Errno> {
        self.conn.send(&ToChild::Go, &[]).map_err(|_| Errno::PIPE)
    }

    /// Waits until it has become the user's program, or ended.
    ///
    /// # Errors
    /// poll(2).
    pub fn until_exec(&self) -> Result<(), Errno> {
        let mut fds = [PollFd::new(&self.conn, PollFlags::empty())];
        loop {
            match rustix::event::poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                other => return other.map(drop),
            }
        }
    }
}

/// How failures are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Container,
    Exec,
}

impl Whose {
    fn frame(self, failure: Failure) -> StartError {
        match self {
            Self::Container => failure.of_container(),
            Self::Exec => failure.of_exec(),
        }
    }
}

/// Hooks that the shim runs when the child has got that far.
pub(crate) type HookRunner = Box<dyn FnMut(i32) -> Result<(), Failure>>;

/// A process that is being started. Wait for [`Self::fd`] to become readable, then call [`Self::advance`].
///
/// Dropping it kills the process.
pub struct Starting {
    pub(crate) whose: Whose,
    pub(crate) conn: Conn,
    /// The process of whom we know; for an exec session first the helper that joins the container.
    pub(crate) process: Option<(i32, OwnedFd)>,
    /// The helper of an exec session, until it is reaped.
    pub(crate) helper: Option<i32>,
    pub(crate) console: Option<OwnedFd>,
    pub(crate) ready: bool,
    /// It waits for our word when it is ready.
    pub(crate) word: bool,
    pub(crate) hooks: Option<HookRunner>,
    /// Its filter, for later processes of the container.
    pub(crate) filter: Option<Filter>,
    /// Who gets the listener of its filter.
    pub(crate) listener: Option<Listener>,
}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting").field("whose", &self.whose).field("process", &self.process).finish_non_exhaustive()
    }
}

impl Starting {
    /// Becomes readable when there is news.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.conn.as_fd()
    }

    /// The process, as far as it is known: one that joins a PID namespace is another in the end.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(|(pid, _)| *pid)
    }

    /// The compiled filter of the container, for its exec sessions. `None` when there is none, or it was taken before.
    pub fn take_filter(&mut self) -> Option<Filter> {
        self.filter.take()
    }

    /// Takes what news there are; `None` when the process is still on its way.
    ///
    /// # Errors
    /// The process could not be started. It is dead and reaped by then.
    pub fn advance(&mut self) -> Result<Option<Started>, StartError> {
        loop {
            match self.conn.recv::<FromChild>() {
                Err(ConnError::WouldBlock) => return Ok(None),
                Ok(None) => return self.ended().map(Some),
                Ok(Some((message, fds))) => {
                    if let Err(failure) = self.message(message, fds) {
                        self.kill();
                        return Err(self.whose.frame(failure));
                    }
                    if self.ready && self.word {
                        return self.held().map(Some);
                    }
                }
                Err(error) => {
                    self.kill();
                    let text = format!("broken channel of the starting process: {error}");
                    return Err(self.whose.frame(Failure::plain(Step::Lost, text)));
                }
            }
        }
    }

    /// Waits until the process is started.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn wait(mut self) -> Result<Started, StartError> {
        loop {
            if let Some(started) = self.advance()? {
                return Ok(started);
            }
            let mut fds = [PollFd::new(&self.conn, PollFlags::IN)];
            let _ = rustix::event::poll(&mut fds, None);
        }
    }

    fn message(&mut self, message: FromChild, mut fds: Vec<OwnedFd>) -> Result<(), Failure> {
        match message {
            FromChild::Console => self.console = fds.pop(),
            FromChild::Ready => self.ready = true,
            FromChild::Forked { pid } => {
                let pidfd = fds.pop().ok_or_else(|| Failure::plain(Step::Lost, "no pidfd came"))?;
                if let Some((helper, _)) = self.process.replace((pid, pidfd)) {
                    // One that forked before has ended by now.
                    self.helper.replace(helper).map(reap);
                }
            }
            FromChild::Hooks => {
                if let (Some(hooks), Some((pid, _))) = (&mut self.hooks, &self.process) {
                    hooks(*pid)?;
                }
                self.conn.send(&ToChild::Go, &[]).map_err(|e| Failure::plain(Step::Lost, e.to_string()))?;
            }
            FromChild::Listener => {
                let fd = fds.pop().ok_or_else(|| Failure::plain(Step::Lost, "no listener came"))?;
                if let (Some(listener), Some((pid, _))) = (&self.listener, &self.process) {
                    listener.hand_over(*pid, &fd)?;
                }
                self.conn.send(&ToChild::Go, &[]).map_err(|e| Failure::plain(Step::Lost, e.to_string()))?;
            }
            FromChild::Failed { step, errno, path, text } => return Err(Failure { step, errno, path, text }),
        }
        Ok(())
    }

    /// It waits for our word.
    fn held(&mut self) -> Result<Started, StartError> {
        self.reap_helper();
        let lost = |text: String| self.whose.frame(Failure::plain(Step::Lost, text));
        let fd = self.conn.as_fd().try_clone_to_owned().map_err(|error| lost(error.to_string()))?;
        let held = Some(Held { conn: Conn::from_fd(fd) });
        let (pid, pidfd) = self.process.take().ok_or_else(|| lost("no process".to_owned()))?;
        Ok(Started { pid, pidfd, console: self.console.take(), held })
    }

    /// The channel is closed: the program runs, or the process is dead.
    fn ended(&mut self) -> Result<Started, StartError> {
        self.reap_helper();
        if !self.ready {
            let how = match self.kill() {
                Some(status) if status & 0x7f != 0 => format!("killed by signal {}", status & 0x7f),
                Some(status) => format!("exit status {}", status >> 8),
                None => "unknown status".to_owned(),
            };
            let text = format!("the starting process died unexpectedly: {how}");
            return Err(self.whose.frame(Failure::plain(Step::Lost, text)));
        }
        let lost = || self.whose.frame(Failure::plain(Step::Lost, "no process"));
        let (pid, pidfd) = self.process.take().ok_or_else(lost)?;
        Ok(Started { pid, pidfd, console: self.console.take(), held: None })
    }

    fn reap_helper(&mut self) {
        if let Some(pid) = self.helper.take() {
            reap(pid);
        }
    }

    /// Kills and reaps whatever is left of it.
    fn kill(&mut self) -> Option<i32> {
        let status = self.process.take().and_then(|(pid, pidfd)| {
            let _ = sys::signal::pidfd_kill(pidfd.as_fd(), KILL);
            reap(pid)
        });
        if let Some(pid) = self.helper {
            let _ = sys::signal::kill(pid, KILL);
        }
        self.reap_helper();
        status
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.kill();
    }
}

/// SIGKILL.
pub(crate) const KILL: i32 = 9;

/// Waits for a child and gives its raw status.
pub(crate) fn reap(pid: i32) -> Option<i32> {
    let pid = Pid::from_raw(pid)?;
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) => return Some(status.as_raw()),
            _ => return None,
        }
    }
}
