//! What can go wrong, in runc's words.

use std::path::{Path, PathBuf};

use oci::runtime::Status;
use rustix::io::Errno;
use shim_proto::StartError;

use crate::parse::Fault;

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(#[from] Fault),
    #[error("No help topic for '{name}'\n")]
    NoHelpTopic { name: String },
    #[error("{program}: {command:?} requires {rule} {count} argument(s)")]
    Arguments { program: String, command: &'static str, rule: &'static str, count: usize },
    #[error("invalid log-format: {format:?}")]
    LogFormat { format: String },
    #[error("invalid format option")]
    Format,
    #[error("container does not exist")]
    NotExist,
    #[error("container with given ID already exists")]
    Exists,
    #[error("invalid container ID format")]
    InvalidId,
    #[error("container id cannot be empty")]
    EmptyId,
    #[error("container not running")]
    NotRunning,
    #[error("container not paused")]
    NotPaused,
    #[error("cannot start a container that has stopped")]
    StartStopped,
    #[error("cannot start an already running container")]
    StartRunning,
    #[error("cannot start a container in the {} state", name(*status))]
    StartState { status: Status },
    #[error("cannot delete container {id} that is not stopped: {}", name(*status))]
    DeleteState { id: String, status: Status },
    #[error("container with id {id} did not end in time")]
    StillRunning { id: String },
    #[error("container with id {id} is not running")]
    Stopped { id: String },
    #[error("cannot exec in a stopped container")]
    ExecStopped,
    #[error("cannot exec in a paused container (use --ignore-paused to override)")]
    ExecPaused,
    #[error("unknown signal {text:?}")]
    Signal { text: String },
    #[error("JSON specification file {} not found", path.display())]
    NoSpec { path: PathBuf },
    #[error("{what}: {source}")]
    Json { what: String, source: serde_json::Error },
    #[error("{what}: {source}")]
    Document { what: String, source: oci::json::JsonError },
    #[error("process property must not be empty")]
    NoProcess,
    #[error("process args cannot be empty")]
    ExecNoArgs,
    #[error("Cwd property must not be empty")]
    NoCwd,
    #[error("Cwd must be an absolute path")]
    RelativeCwd,
    #[error("args must not be empty")]
    NoArgs,
    #[error("root property must not be empty")]
    NoRoot,
    #[error("cannot allocate tty if runc will detach without setting console socket")]
    DetachedTty,
    #[error("cannot use console socket if runc will not detach or allocate tty")]
    UselessConsole,
    #[error("unable to stat preserved-fd {fd} (of {count}): {}", words(*errno))]
    PreservedFd { fd: i32, count: i64, errno: Errno },
    #[error("File {} exists. Remove it first", path.display())]
    SpecExists { path: PathBuf },
    #[error("unable to parse user {text:?}: {part:?} is no number")]
    User { text: String, part: String },
    #[error("invalid value {text:?} for {option}")]
    Value { option: &'static str, text: String },
    #[error("invalid value for {option}: {what}")]
    NoNumber { option: &'static str, what: String },
    #[error("duration interval must be greater than 0")]
    Interval,
    #[error("{operation} {}: {}", path.display(), words(*errno))]
    Io { operation: &'static str, path: PathBuf, errno: Errno },
    #[error("{operation}: {}", words(*errno))]
    System { operation: &'static str, errno: Errno },
    #[error("invalid --cgroup argument: {text} ({what})")]
    SubCgroup { text: String, what: String },
    #[error("no XDG_RUNTIME_DIR to find the user's systemd in")]
    NoRuntimeDir,
    #[error("Container cannot be checkpointed in {} state", name(*status))]
    CheckpointState { status: Status },
    #[error("exec: \"criu\": executable file not found in $PATH")]
    NoCriu,
    #[error("CRIU version check failed: {source}")]
    CriuVersion { source: Box<Self> },
    #[error("CRIU version {version} must be {least} or higher")]
    CriuOld { version: u32, least: u32 },
    #[error("{option} requires at least CRIU 3.16")]
    CriuTooOldFor { option: &'static str },
    #[error("CRIU feature check failed: {source}")]
    CriuFeatures { source: Box<Self> },
    #[error("criu is missing features: [{feature}]")]
    CriuLacks { feature: &'static str },
    #[error("criu failed: type {kind} errno {errno}{}", log.as_ref().map(|p| format!("\nlog file: {}", p.display())).unwrap_or_default())]
    Criu { kind: &'static str, errno: i32, log: Option<PathBuf> },
    #[error("criu failed: wait status {status:#x}")]
    CriuEnded { status: i32 },
    #[error("criu failed: it ended without an answer")]
    CriuSilent,
    #[error("criu lacks support for external {name} namespace during {doing} process (old criu version?)")]
    CriuExternal { name: &'static str, doing: &'static str },
    #[error("Requested {name} namespace {path} does not exist")]
    CriuNoNamespace { name: &'static str, path: String },
    #[error("Do not know how to handle namespace {kind:?}")]
    CriuJoin { kind: oci::runtime::NamespaceType },
    #[error("create criu restore mountpoint for {} mount: {source}", path.display())]
    CriuMountPoint { path: PathBuf, source: Box<Self> },
    #[error("invalid --status-fd argument {number}: {why}")]
    CriuStatus { number: i32, why: String },
    #[error("Invalid manage-cgroups-mode value")]
    CriuCgroupMode,
    #[error("namespace {name:?} is not supported")]
    CriuNamespace { name: String },
    #[error("--parent-path must be relative")]
    CriuParentAbsolute,
    #[error("invalid --parent-path: {source}")]
    CriuParent { source: Box<Self> },
    #[error("Use --page-server ADDRESS:PORT to specify page server")]
    CriuPageServer,
    #[error("Invalid port number")]
    CriuPort,
    #[error("{0}")]
    Cgroup(#[from] cgroup::Error),
    #[error("{}", unframed(&.0.message))]
    Start(#[from] StartError),
    #[error("{frame} failed: {source}")]
    Framed { frame: &'static str, source: Box<Self> },
}

impl Error {
    /// Says which command it was.
    pub(crate) fn framed(self, frame: &'static str) -> Self {
        Self::Framed { frame, source: Box::new(self) }
    }
}

/// What containerd and dockerd put in front of a runtime's text is not the runtime's to say.
fn unframed(message: &str) -> &str {
    let message = message.strip_prefix("OCI runtime create failed: ").unwrap_or(message);
    let message = message.strip_prefix("OCI runtime exec failed: ").unwrap_or(message);
    let message = message.strip_prefix("runc create failed: ").unwrap_or(message);
    message.strip_prefix("exec failed: ").unwrap_or(message)
}

/// A status as runc names it.
pub(crate) fn name(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
    }
}

fn words(errno: Errno) -> String {
    runtime::errno_words(errno)
}

/// Names operation and path of a failed operation.
pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.as_ref().to_owned();
    move |error| Error::Io { operation, path, errno: Errno::from_io_error(&error).unwrap_or(Errno::IO) }
}

/// As [`io`], of a system call.
pub(crate) fn at(operation: &'static str, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Error {
    let path = path.as_ref().to_owned();
    move |errno| Error::Io { operation, path, errno }
}

/// Names a system call.
pub(crate) fn call(operation: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::System { operation, errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_engines() {
        let message = "OCI runtime create failed: runc create failed: unable to start container process: x".to_owned();
        let start = StartError { step: shim_proto::Step::Program, errno: 2, path: String::new(), message };
        let error = Error::from(start).framed("runc create");
        assert_eq!(error.to_string(), "runc create failed: unable to start container process: x");
        let error = at("open", "/x")(Errno::NOENT);
        assert_eq!(error.to_string(), "open /x: no such file or directory");
        let error = Error::DeleteState { id: "x".to_owned(), status: Status::Running };
        assert_eq!(error.to_string(), "cannot delete container x that is not stopped: running");
    }
}
