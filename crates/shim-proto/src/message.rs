//! Requests, replies and events of one shim.

use serde::{Deserialize, Serialize};

use crate::{ExitRecord, Fault, Size, StartError};

/// Version of this protocol. A shim serves its own version and the one before.
pub const VERSION: u32 = 1;

/// A request with the daemon's tag, which the reply repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToShim {
    /// Chosen by the daemon.
    pub tag: u64,
    /// What is wanted.
    pub request: Request,
}

/// What a shim sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromShim {
    /// Answer to the request with this tag. [`Reply::Attached`] comes with one descriptor.
    Reply {
        /// Tag of the request.
        tag: u64,
        /// The answer.
        reply: Reply,
    },
    /// Something happened.
    Event(Event),
}

/// What a daemon may ask of a shim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// First request on a connection → [`Reply::Hello`] with the whole state. From now on this connection gets events.
    Hello {
        /// Version of the caller ([`VERSION`]).
        version: u32,
    },
    /// Create the container and run its process → [`Reply::Started`] or [`Reply::NotStarted`].
    Start,
    /// → [`Reply::State`].
    State,
    /// Send a signal → [`Reply::Ok`]; [`Fault::NotRunning`] when the process is gone.
    Signal {
        /// An exec session, or the container's first process.
        #[serde(default)]
        exec: Option<String>,
        /// Number of the signal.
        signal: i32,
        /// All processes of the container rather than the first.
        #[serde(default)]
        all: bool,
    },
    /// Change the size of a terminal → [`Reply::Ok`]. Before the start it becomes the first size.
    Resize {
        /// An exec session, or the container.
        #[serde(default)]
        exec: Option<String>,
        /// The size.
        size: Size,
    },
    /// End the standard input → [`Reply::Ok`].
    CloseStdin {
        /// An exec session, or the container.
        #[serde(default)]
        exec: Option<String>,
    },
    /// → [`Reply::Attached`] with a stream socket.
    Attach(AttachSpec),
    /// Prepare an exec session; nothing runs yet → [`Reply::Ok`].
    Exec(Box<ExecSpec>),
    /// Run a prepared session → [`Reply::Started`] or [`Reply::NotStarted`].
    ExecStart {
        /// Its id.
        id: String,
    },
    /// Forget a session that is not running → [`Reply::Ok`].
    ExecDelete {
        /// Its id.
        id: String,
    },
    /// Process ids, in the host's numbering, of the container → [`Reply::Pids`].
    Pids,
    /// Freeze all processes → [`Reply::Ok`].
    Pause,
    /// Thaw them → [`Reply::Ok`].
    Resume,
    /// Change limits → [`Reply::Ok`].
    Update {
        /// Only the fields that change.
        resources: Box<oci::runtime::Resources>,
    },
    /// Clean up and exit → [`Reply::Ok`], then the connection ends. A container that runs is not touched:
    /// [`Fault::Running`]. Says too that the end of the container is committed: the exit record may not have been written by
    /// then, and is not any more.
    Delete,
}

/// Who attaches to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachSpec {
    /// An exec session, or the container.
    #[serde(default)]
    pub exec: Option<String>,
    /// Whether bytes from the socket go to the standard input.
    #[serde(default)]
    pub stdin: bool,
    /// Whether standard output comes on the socket.
    #[serde(default)]
    pub stdout: bool,
    /// Whether standard error comes on the socket.
    #[serde(default)]
    pub stderr: bool,
}

/// An exec session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Its id, unique in the container.
    pub id: String,
    /// The process. `terminal` says whether it has a pseudo terminal.
    pub process: oci::runtime::Process,
    /// Whether there is a standard input (otherwise /dev/null). The end of an attached client's input ends it.
    #[serde(default)]
    pub open_stdin: bool,
}

/// Answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Ok,
    /// Answer to [`Request::Hello`].
    Hello(Box<Hello>),
    /// Answer to [`Request::State`].
    State(Box<State>),
    /// The process runs.
    Started {
        /// Its id in the host's numbering.
        pid: i32,
        /// When, in nanoseconds since 1970.
        started_at: i64,
    },
    /// The process could not be started. The container (or session) is gone; after a failed [`Request::Start`] only
    /// [`Request::Delete`] is left to do.
    NotStarted(Box<StartError>),
    /// One end of a stream socket comes along (SCM_RIGHTS). From the shim: Docker's stream format (raw with a terminal,
    /// else frames with an 8 byte header), ended when the process' output ended. To the shim: raw standard input, ended by
    /// `shutdown(SHUT_WR)`.
    Attached,
    /// Answer to [`Request::Pids`].
    Pids {
        /// Process ids.
        pids: Vec<i32>,
    },
    /// The request failed.
    Error(Fault),
}

/// How a shim introduces itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version in use on this connection: the smaller of both sides'.
    pub version: u32,
    /// Process id of the shim.
    pub shim_pid: i32,
    /// Full container id.
    pub id: String,
    /// State of the container.
    pub state: State,
}

/// What a shim knows of its container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where in its life it is.
    pub status: Status,
    /// Process id of the first process, in the host's numbering; 0 when there is none.
    #[serde(default)]
    pub pid: i32,
    /// When it was started, nanoseconds since 1970; 0 when it was not.
    #[serde(default)]
    pub started_at: i64,
    /// How it ended.
    #[serde(default)]
    pub exit: Option<ExitRecord>,
    /// Why it was not started.
    #[serde(default)]
    pub error: Option<StartError>,
    /// Exec sessions: prepared, running, and those that ended while no daemon was there to be told.
    #[serde(default)]
    pub execs: Vec<ExecState>,
    /// Whether the kernel killed a process of the container for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
}

/// Where a container or an exec session is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing was started.
    #[default]
    Created,
    /// The process runs.
    Running,
    /// All processes are frozen.
    Paused,
    /// The process has ended, or could not be started.
    Exited,
}

/// One exec session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecState {
    /// Its id.
    pub id: String,
    /// Where in its life it is.
    pub status: Status,
    /// Process id in the host's numbering; 0 when there is none.
    #[serde(default)]
    pub pid: i32,
    /// How it ended.
    #[serde(default)]
    pub exit: Option<ExecExit>,
}

/// What happens without being asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The container's first process has ended and all its output has been logged and handed to the attached clients.
    Exit(ExitRecord),
    /// An exec session has ended, and so has its output.
    ExecExit(ExecExit),
    /// The kernel killed a process of the container for want of memory.
    Oom,
    /// The log was rotated: time to compress rotated files, if that is wanted.
    LogRotated,
}

/// How an exec session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecExit {
    /// Its id.
    pub id: String,
    /// Process id it had.
    pub pid: i32,
    /// 0–255; 128 + n when signal n ended it.
    pub status: i32,
    /// Nanoseconds since 1970.
    pub exited_at: i64,
}
