use std::path::PathBuf;

use ::error::{ErrorKind, HasKind};
use id::ContainerId;

/// Why the engine did not do as asked. Texts that a client sees are Docker's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No container has this name or id.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// The target of a legacy link.
    #[error("could not get container for {0}: No such container: {0}")]
    LinkTarget(String),
    /// The target of a legacy link cannot be linked to as it is.
    #[error("{0}")]
    Unlinkable(String),
    /// A legacy link that cannot be removed.
    #[error("{0}")]
    Unlink(String),
    /// Limits that cannot be changed as asked.
    #[error("Cannot update container {id}: {why}")]
    UpdateRefused {
        /// The container.
        id: String,
        /// Docker's words.
        why: String,
    },
    /// The kernel does not take the new limits.
    #[error("Cannot update container {id}: {why}")]
    UpdateFailed {
        /// The container.
        id: String,
        /// The runtime's words.
        why: String,
    },
    /// A short id names more than one.
    #[error("Multiple IDs found with provided prefix: {0}")]
    AmbiguousId(String),
    /// The name is another container's.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse {
        /// The name.
        name: String,
        /// Whose it is.
        id: ContainerId,
    },
    /// Not a name.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    InvalidName(String),
    /// A name that cannot be given, when renaming.
    #[error("Error when allocating new name: {0}")]
    Rename(#[source] Box<Self>),
    /// The network of a container could not be set up.
    #[error("failed to set up container networking: {0}")]
    Sandbox(#[source] network::Error),
    /// The container whose network is to be joined cannot be found.
    #[error("joining network namespace of container: {0}")]
    JoinNetwork(#[source] Box<Self>),
    /// A kill that cannot be done.
    #[error("cannot kill container: {name}: {source}")]
    Kill {
        /// As the user named it.
        name: String,
        /// Why.
        source: Box<Self>,
    },
    /// Renaming to nothing.
    #[error("Neither old nor new names may be empty")]
    EmptyName,
    /// Renaming to the name it has.
    #[error("Renaming a container with the same name as its current name")]
    SameName,
    /// The state of the container does not allow it.
    #[error("{context}: {source}")]
    State {
        /// `cannot stop container: x`, …
        context: String,
        /// What is in the way.
        source: container::Refused,
    },
    /// The container must run for this.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// Exec into a container that is paused.
    #[error("container {0} is paused, unpause the container before exec")]
    ExecPaused(String),
    /// Exec into a container that is restarting.
    #[error("container {0} is restarting, wait until the container is running")]
    ContainerRestarting(String),
    /// Attach to a container that is paused.
    #[error("container {0} is paused, unpause the container before attach")]
    AttachPaused(String),
    /// Attach to a container that is restarting.
    #[error("container {0} is restarting, wait until the container is running")]
    AttachRestarting(String),
    /// Kill of a container that does not live.
    #[error("cannot kill container: {name}: container {id} is not running")]
    KillNotRunning {
        /// As the user named it.
        name: String,
        /// Its id.
        id: ContainerId,
    },
    /// Not a signal.
    #[error("invalid signal: {0}")]
    InvalidSignal(String),
    /// No exec session has this id.
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// The session was started before.
    #[error("exec command {0} has already run")]
    ExecRan(String),
    /// The session is over, or has not begun.
    #[error("exec command {0} is not running")]
    ExecNotRunning(String),
    /// Exec without a command.
    #[error("No exec command specified")]
    ExecNoCommand,
    /// The container could not be started. The text is whole.
    #[error("{message}")]
    StartFailed {
        /// Docker's text.
        message: String,
        /// Exit code recorded: 127, 126, 128.
        code: i32,
        /// Whose fault.
        kind: ErrorKind,
    },
    /// The input is wrong. The text is whole.
    #[error("{0}")]
    Invalid(String),
    /// Something is in the way. The text is whole.
    #[error("{0}")]
    Conflict(String),
    /// Not there. The text is whole.
    #[error("{0}")]
    NotFound(String),
    /// Not allowed. The text is whole.
    #[error("{0}")]
    Forbidden(String),
    /// Already so.
    #[error("{0}")]
    NotModified(String),
    /// Gantry has not got this yet.
    #[error("{0} is not implemented")]
    NotImplemented(&'static str),
    /// Image store.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// Networks.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// Volumes.
    #[error(transparent)]
    VolumeStore(#[from] volume::Error),
    /// A mount that cannot be made. The text is whole.
    #[error("{0}")]
    Volume(String),
    /// A cgroup.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// Log driver options.
    #[error(transparent)]
    LogDriver(logship::ShipError),
    /// A log driver that cannot begin its work.
    #[error("failed to create task for container: failed to initialize logging driver: {0}")]
    LogInit(#[source] logship::ShipError),
    /// Reading a log.
    #[error(transparent)]
    Log(#[from] logdriver::LogError),
    /// A declaration that cannot be run.
    #[error(transparent)]
    Bundle(#[from] bundle::BundleError),
    /// A health check that cannot be.
    #[error(transparent)]
    HealthCheck(#[from] container::HealthCheckError),
    /// A restart policy that is none.
    #[error(transparent)]
    RestartPolicy(#[from] container::RestartPolicyError),
    /// Metadata store.
    #[error(transparent)]
    Meta(#[from] metastore::Error),
    /// The launcher did not give a shim.
    #[error("failed to create task for container: {0}")]
    Launch(#[from] shim_proto::LaunchError),
    /// The shim refused.
    #[error(transparent)]
    Shim(#[from] shim_proto::Fault),
    /// The shim is gone.
    #[error("the container's monitor is gone")]
    ShimGone,
    /// A file operation failed.
    #[error("failed to {op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The engine is stopping.
    #[error("daemon is shutting down")]
    ShuttingDown,
    /// Another daemon has this data-root.
    #[error("data-root {} is in use by another daemon", .0.display())]
    DataRootInUse(PathBuf),
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchContainer(_) | Self::NoSuchExec(_) | Self::NotFound(_) => ErrorKind::NotFound,
            Self::AmbiguousId(_)
            | Self::LinkTarget(_)
            | Self::InvalidName(_)
            | Self::EmptyName
            | Self::SameName
            | Self::InvalidSignal(_)
            | Self::ExecNoCommand
            | Self::Invalid(_) => ErrorKind::InvalidParameter,
            Self::NameInUse { .. }
            | Self::NotRunning(_)
            | Self::ExecPaused(_)
            | Self::ContainerRestarting(_)
            | Self::AttachPaused(_)
            | Self::AttachRestarting(_)
            | Self::KillNotRunning { .. }
            | Self::ExecRan(_)
            | Self::ExecNotRunning(_)
            | Self::UpdateRefused { .. }
            | Self::Conflict(_) => ErrorKind::Conflict,
            Self::Forbidden(_) => ErrorKind::Forbidden,
            Self::Rename(source) | Self::JoinNetwork(source) | Self::Kill { source, .. } => source.kind(),
            Self::Sandbox(source) => source.kind(),
            Self::NotModified(_) => ErrorKind::NotModified,
            Self::NotImplemented(_) => ErrorKind::NotImplemented,
            Self::State { source, .. } => source.kind(),
            Self::StartFailed { kind, .. } => *kind,
            Self::Image(e) => e.kind(),
            Self::Network(e) => e.kind(),
            Self::Cgroup(e) => e.kind(),
            Self::VolumeStore(e) => e.kind(),
            Self::LogDriver(e) => e.kind(),
            // As Docker: whatever it was, the start has failed.
            Self::LogInit(_) => ErrorKind::System,
            Self::Log(e) => e.kind(),
            Self::Bundle(e) => e.kind(),
            Self::HealthCheck(e) => e.kind(),
            Self::RestartPolicy(e) => e.kind(),
            Self::Meta(e) => e.kind(),
            Self::Volume(_)
            | Self::UpdateFailed { .. }
            | Self::Launch(_)
            | Self::Shim(_)
            | Self::ShimGone
            | Self::Io { .. }
            | Self::Unlinkable(_)
            | Self::Unlink(_)
            | Self::DataRootInUse(_) => ErrorKind::System,
            Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }
}
