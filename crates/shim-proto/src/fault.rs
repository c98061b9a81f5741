//! Failures that travel.

use error::{ErrorKind, HasKind};
use serde::{Deserialize, Serialize};

/// Why a process was not started. Its `Display` is what Docker prints behind
/// `failed to create task for container: failed to create shim task: ` (container) or
/// `OCI runtime exec failed: exec failed: ` … (exec), whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct StartError {
    /// What was being done.
    pub step: Step,
    /// errno, 0 when no system call failed.
    pub errno: i32,
    /// What it was done to: a path, a namespace, a program.
    #[serde(default)]
    pub path: String,
    /// Docker's text.
    pub message: String,
}

impl StartError {
    /// The exit code Docker gives a container whose process could not be started: 127 when the program (or anything on
    /// the way) does not exist, 126 when it cannot be executed or something on the way is no directory (Docker appends a
    /// hint to the text then), 128 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        const ENOENT: i32 = 2;
        const EACCES: i32 = 13;
        const ENOTDIR: i32 = 20;
        match self.errno {
            ENOENT => 127,
            EACCES | ENOTDIR => 126,
            _ => 128,
        }
    }
}

impl HasKind for StartError {
    fn kind(&self) -> ErrorKind {
        match self.step {
            Step::Program | Step::Exec | Step::Cwd | Step::User | Step::Mount => ErrorKind::InvalidParameter,
            _ => ErrorKind::System,
        }
    }
}

/// Steps of a start, coarse: what a caller can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The plan makes no sense.
    Plan,
    /// Run directory, pipes, sockets, log.
    Prepare,
    /// Control group.
    Cgroup,
    /// Creating or joining namespaces.
    Namespace,
    /// Root file system.
    Rootfs,
    /// A mount, a device, a masked or read-only path.
    Mount,
    /// Pseudo terminal.
    Console,
    /// Kernel parameter.
    Sysctl,
    /// Resource limit, priority, OOM score.
    Limit,
    /// User, groups, capabilities.
    User,
    /// System call filter, security label.
    Security,
    /// Working directory.
    Cwd,
    /// Looking the program up.
    Program,
    /// execve(2).
    Exec,
    /// A hook.
    Hook,
    /// The starting process died without a word.
    Lost,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No such exec session.
    #[error("no such exec session: {id}")]
    NoSuchExec {
        /// Which.
        id: String,
    },
    /// An exec session of that id is there already.
    #[error("exec session {id} exists already")]
    ExecExists {
        /// Which.
        id: String,
    },
    /// The process is not (or no longer, or not yet) running.
    #[error("process is not running")]
    NotRunning,
    /// The process was started already.
    #[error("process was started already")]
    AlreadyStarted,
    /// The container runs.
    #[error("container is running")]
    Running,
    /// The container is paused.
    #[error("container is paused")]
    Paused,
    /// The container is not paused.
    #[error("container is not paused")]
    NotPaused,
    /// There is no terminal.
    #[error("process has no terminal")]
    NoTerminal,
    /// The other side speaks a version that is too old.
    #[error("protocol version {theirs} is not supported (this shim: {ours})")]
    Version {
        /// Of the shim.
        ours: u32,
        /// Of the caller.
        theirs: u32,
    },
    /// A message that is not understood.
    #[error("malformed request: {detail}")]
    Malformed {
        /// From the decoder.
        detail: String,
    },
    /// A system call failed.
    #[error("failed to {action}: {detail}")]
    System {
        /// What was being done, as `freeze the container`.
        action: String,
        /// errno, 0 when unknown.
        errno: i32,
        /// The cause, in words.
        detail: String,
    },
}

impl HasKind for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchExec { .. } => ErrorKind::NotFound,
            Self::ExecExists { .. }
            | Self::NotRunning
            | Self::AlreadyStarted
            | Self::Running
            | Self::Paused
            | Self::NotPaused => ErrorKind::Conflict,
            Self::NoTerminal | Self::Malformed { .. } => ErrorKind::InvalidParameter,
            Self::Version { .. } => ErrorKind::NotImplemented,
            Self::System { .. } => ErrorKind::System,
        }
    }
}
