//! What callers give and get.

use id::ContainerId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::Error;

/// A container was made.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Which containers to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// The newest so many, whatever their state; zero is no limit.
    pub limit: usize,
    /// Filters.
    pub filters: units::filter::Filters,
}

/// How to remove.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Kill it first.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// A legacy link instead of the container.
    pub link: bool,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// Return at once if it does not run.
    #[default]
    NotRunning,
    /// The end of the next run.
    NextExit,
    /// Its removal.
    Removed,
}

/// The end of a wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitResult {
    /// Exit code.
    pub status: i64,
    /// Why there is none, or why the start failed.
    pub error: Option<String>,
}

/// A wait under way: registered already, so nothing that happens from now on is missed.
#[derive(Debug)]
pub struct Waiter(pub(crate) oneshot::Receiver<WaitResult>);

impl Waiter {
    /// Waits for the end.
    ///
    /// # Errors
    /// [`Error::ShuttingDown`].
    pub async fn result(self) -> Result<WaitResult, Error> {
        self.0.await.map_err(|_| Error::ShuttingDown)
    }
}

/// How to attach.
#[derive(Debug, Clone, Default)]
pub struct AttachOptions {
    /// First what was logged.
    pub logs: bool,
    /// Then what comes.
    pub stream: bool,
    /// Feed the standard input.
    pub stdin: bool,
    /// Get standard output.
    pub stdout: bool,
    /// Get standard error.
    pub stderr: bool,
    /// Docker's notation (`ctrl-p,ctrl-q`); `None` is the default.
    pub detach_keys: Option<String>,
}

/// Which logs.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Go on with what comes.
    pub follow: bool,
    /// A time before each line.
    pub timestamps: bool,
    /// Attributes before each line.
    pub details: bool,
    /// Nanoseconds since the epoch.
    pub since: Option<i64>,
    /// Nanoseconds since the epoch.
    pub until: Option<i64>,
    /// Only the last so many lines.
    pub tail: Option<u64>,
}

/// An exec session to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecCreate {
    /// Program and arguments.
    pub cmd: Vec<String>,
    /// User; the container's if empty.
    pub user: String,
    /// More environment.
    pub env: Vec<String>,
    /// Directory; the container's if empty.
    pub working_dir: String,
    /// With a terminal.
    pub tty: bool,
    /// All capabilities.
    pub privileged: bool,
    /// Clients will feed the standard input.
    pub attach_stdin: bool,
    /// Clients will get standard output.
    pub attach_stdout: bool,
    /// Clients will get standard error.
    pub attach_stderr: bool,
    /// Docker's notation; `None` is the default.
    pub detach_keys: Option<String>,
    /// First size of the terminal: rows, columns.
    pub console_size: Option<(u16, u16)>,
}

/// How to start an exec session.
#[derive(Debug, Clone, Default)]
pub struct ExecStart {
    /// Nobody attaches.
    pub detach: bool,
    /// The client takes the stream raw; else it wants frames, also of a terminal.
    pub tty: bool,
    /// First size of the terminal: rows, columns.
    pub console_size: Option<(u16, u16)>,
}

/// An exec session as it is.
#[derive(Debug, Clone)]
pub struct ExecView {
    /// Its id.
    pub id: String,
    /// Its container.
    pub container: ContainerId,
    /// What was asked for.
    pub create: ExecCreate,
    /// Its process lives.
    pub running: bool,
    /// Exit code, once it is over.
    pub exit_code: Option<i32>,
    /// PID of its process, zero if none.
    pub pid: i32,
}

/// Processes of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Top {
    /// Column heads.
    pub titles: Vec<String>,
    /// Rows.
    pub processes: Vec<Vec<String>>,
}
