use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;

use shim_proto::{Conn, ConnError, FromLauncher, LaunchError, Launcher, ShimPlan};
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

use crate::Error;

struct Process(Launcher);

impl AsRawFd for Process {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

struct Running {
    process: AsyncFd<Process>,
    next_tag: u64,
}

/// The launcher process, started when first needed and again whenever it is found dead.
pub(crate) struct LauncherHandle {
    program: PathBuf,
    running: Mutex<Option<Running>>,
}

impl std::fmt::Debug for LauncherHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LauncherHandle").field("program", &self.program).finish_non_exhaustive()
    }
}

impl LauncherHandle {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, running: Mutex::new(None) }
    }

    /// Starts the launcher ahead of need.
    pub(crate) async fn warm(&self) -> Result<(), Error> {
        let mut slot = self.running.lock().await;
        if slot.is_none() {
            *slot = Some(self.spawn()?);
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Running, Error> {
        let launcher = Launcher::spawn(&self.program)?;
        let io = |source| Error::Io { op: "watch", path: self.program.clone(), source };
        launcher.conn().set_nonblocking(true).map_err(io)?;
        Ok(Running { process: crate::files::watch(Process(launcher)).map_err(io)?, next_tag: 1 })
    }

    /// Has a shim forked for `plan`; gives its PID and a fresh connection. A launcher found dead is replaced once.
    pub(crate) async fn launch(&self, plan: &ShimPlan) -> Result<(i32, Conn), Error> {
        let mut slot = self.running.lock().await;
        for last_try in [false, true] {
            let mut running = match slot.take() {
                Some(running) => running,
                None => self.spawn()?,
            };
            match running.launch(plan).await {
                Err(LaunchError::Conn(error)) if !last_try => {
                    tracing::warn!("the launcher is gone ({error}): starting another");
                    reap(running);
                }
                result => {
                    // A refusal leaves the launcher as good as before; a broken connection does not.
                    if !matches!(result, Err(LaunchError::Conn(_) | LaunchError::Unexpected)) {
                        *slot = Some(running);
                    }
                    return result.map_err(Error::from);
                }
            }
        }
        Err(LaunchError::Conn(ConnError::Closed).into())
    }
}

/// Waits for a launcher that has lost its connection, off the async threads.
fn reap(running: Running) {
    let Process(launcher) = running.process.into_inner();
    tokio::task::spawn_blocking(move || launcher.shutdown());
}

impl Running {
    async fn launch(&mut self, plan: &ShimPlan) -> Result<(i32, Conn), LaunchError> {
        let tag = self.next_tag;
        self.next_tag += 1;
        self.process.get_ref().0.send(tag, plan)?;
        loop {
            let mut ready = self.process.readable().await.map_err(|e| LaunchError::Conn(ConnError::Io(e)))?;
            match self.process.get_ref().0.conn().recv::<FromLauncher>() {
                Ok(Some((FromLauncher::Launched { tag: t, shim_pid }, mut fds))) if t == tag => {
                    let fd = fds.pop().ok_or(LaunchError::Unexpected)?;
                    return Ok((shim_pid, Conn::from_fd(fd)));
                }
                Ok(Some((FromLauncher::Failed { tag: t, errno, message }, _))) if t == tag => {
                    return Err(LaunchError::Refused { errno, message });
                }
                // The answer to a launch whose caller went away.
                Ok(Some(_)) => {}
                Err(ConnError::WouldBlock) => ready.clear_ready(),
                Ok(None) => return Err(ConnError::Closed.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
