//! The launcher, seen from the daemon.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::{Conn, ConnError, ShimPlan};

/// What is asked of the launcher. The descriptor that comes along is a memfd with the plan as JSON, which the launcher
/// does not read: the shim does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToLauncher {
    /// Chosen by the daemon, repeated in the answer.
    pub tag: u64,
    /// Full container id (shown in process listings).
    pub id: String,
}

/// The launcher's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromLauncher {
    /// A shim was forked. A connected socket to it comes along: send [`Request::Hello`](crate::Request::Hello) there.
    Launched {
        /// Of the request.
        tag: u64,
        /// Process id of the shim.
        shim_pid: i32,
    },
    /// No shim was forked.
    Failed {
        /// Of the request.
        tag: u64,
        /// errno.
        errno: i32,
        /// In words.
        message: String,
    },
}

/// Why a shim was not launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The launcher could not be started.
    #[error("failed to start {}: {source}", program.display())]
    Spawn {
        /// Its program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The plan could not be handed over.
    #[error("failed to hand over the plan: {0}")]
    Plan(#[source] io::Error),
    /// The launcher is gone: start it again.
    #[error("launcher: {0}")]
    Conn(#[from] ConnError),
    /// The launcher said no.
    #[error("{message}")]
    Refused {
        /// errno.
        errno: i32,
        /// In words.
        message: String,
    },
    /// The launcher broke the protocol.
    #[error("launcher: unexpected answer")]
    Unexpected,
}

/// The running launcher process and the connection to it.
///
/// Shims do not depend on it: when [`ConnError::Closed`] shows that it is gone, start another.
#[derive(Debug)]
pub struct Launcher {
    child: Child,
    conn: Conn,
    next: u64,
}

impl Launcher {
    /// Starts `<program> --launch` with the socket as its standard input.
    ///
    /// # Errors
    /// The process could not be started.
    pub fn spawn(program: &Path) -> Result<Self, LaunchError> {
        let spawn = |source| LaunchError::Spawn { program: program.to_owned(), source };
        let (ours, theirs) = Conn::pair().map_err(spawn)?;
        let child = Command::new(program)
            .arg("--launch")
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::from(theirs.into_fd()))
            .stdout(Stdio::null())
            .spawn()
            .map_err(spawn)?;
        Ok(Self { child, conn: ours, next: 1 })
    }

    /// Launches one shim, blocking for the answer (well below a millisecond). The connection that comes back is blocking;
    /// say [`Request::Hello`](crate::Request::Hello) first.
    ///
    /// # Errors
    /// See [`LaunchError`]; [`LaunchError::Conn`] means that the launcher is to be started again.
    pub fn launch(&mut self, plan: &ShimPlan) -> Result<(i32, Conn), LaunchError> {
        let tag = self.next;
        self.next += 1;
        self.send(tag, plan)?;
        loop {
            let Some((answer, mut fds)) = self.conn.recv::<FromLauncher>()? else {
                return Err(ConnError::Closed.into());
            };
            match answer {
                FromLauncher::Launched { tag: t, shim_pid } if t == tag => {
                    let fd = fds.pop().ok_or(LaunchError::Unexpected)?;
                    return Ok((shim_pid, Conn::from_fd(fd)));
                }
                FromLauncher::Failed { tag: t, errno, message } if t == tag => {
                    return Err(LaunchError::Refused { errno, message });
                }
                _ => {}
            }
        }
    }

    /// The asynchronous half of [`Self::launch`]: sends only. The answer is a [`FromLauncher`] on [`Self::conn`].
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn send(&self, tag: u64, plan: &ShimPlan) -> Result<(), LaunchError> {
        let memfd = plan.to_memfd().map_err(LaunchError::Plan)?;
        self.conn.send(&ToLauncher { tag, id: plan.id.clone() }, &[memfd.as_fd()])?;
        Ok(())
    }

    /// The connection.
    #[must_use]
    pub fn conn(&self) -> &Conn {
        &self.conn
    }

    /// Process id of the launcher.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the launcher (it exits when its socket closes) and reaps it.
    ///
    /// # Errors
    /// wait(2) failed.
    pub fn shutdown(self) -> io::Result<()> {
        let Self { mut child, conn, .. } = self;
        drop(conn);
        child.wait().map(|_| ())
    }
}

impl AsFd for Launcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.conn.as_fd()
    }
}
