use error::{ErrorKind, HasKind};

/// What precedes the texts of things that Docker leaves to its runtime.
const RUNTIME: &str =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ";

/// Why a declaration cannot be run, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A capability that does not exist.
    #[error("invalid {list}: unknown capability: \"{name}\"")]
    UnknownCapability {
        /// `CapAdd` or `CapDrop`.
        list: &'static str,
        /// As `CAP_…`.
        name: String,
    },
    /// A security option that does not exist.
    #[error("invalid --security-opt 1: \"{0}\"")]
    SecurityOpt(String),
    /// A boolean option with another value.
    #[error("invalid --security-opt 2: \"{0}\"")]
    SecurityOptValue(String),
    /// A custom seccomp profile that cannot be used.
    #[error(transparent)]
    SeccompProfile(#[from] seccomp::ProfileError),
    /// A device rule that is none.
    #[error("invalid device cgroup rule format: '{0}'")]
    DeviceRule(String),
    /// A device of the host that is not there.
    #[error("error gathering device information while adding custom device \"{path}\": no such file or directory")]
    NoDevice {
        /// Path on the host.
        path: String,
    },
    /// A block device with a limit that is not there.
    #[error("stat {0}: no such file or directory")]
    NoBlockDevice(String),
    /// Recursive read-only without private propagation.
    #[error("mount options conflict: ReadOnlyForceRecursive requires BindOptions.Propagation to be \"rprivate\"")]
    ReadOnlyPropagation,
    /// Recursive read-only where the kernel has not got it.
    #[error("recursive read-only mounts are not supported by this kernel, which is needed for mount {0:?}")]
    ReadOnlyRecursive(String),
    /// Letters that are no device permissions.
    #[error("invalid device mode: {0}")]
    DeviceMode(String),
    /// A kernel parameter of the host's network.
    #[error("{RUNTIME}sysctl \"{0}\" not allowed in host network namespace")]
    SysctlHostNetwork(String),
    /// A kernel parameter of the host's IPC.
    #[error("{RUNTIME}sysctl \"{0}\" is not allowed in the hosts ipc namespace")]
    SysctlHostIpc(String),
    /// A kernel parameter that has a field of its own.
    #[error("{RUNTIME}sysctl \"{0}\" is not allowed as it conflicts with the OCI \"hostname\" field")]
    SysctlHostname(String),
    /// A kernel parameter of the whole host.
    #[error("{RUNTIME}sysctl \"{0}\" is not in a separate kernel namespace")]
    SysctlGlobal(String),
    /// A name that no kernel parameter has.
    #[error("invalid sysctl: '{0}'")]
    Sysctl(String),
    /// A resource limit that does not exist.
    #[error("{RUNTIME}wrong rlimit value: RLIMIT_{}", .0.to_uppercase())]
    Ulimit(String),
    /// Soft above hard.
    #[error("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")]
    UlimitOrder {
        /// As given.
        soft: i64,
        /// As given.
        hard: i64,
    },
    /// Two ways to say how much CPU.
    #[error("Conflicting options: Nano CPUs and CPU {0} cannot both be set.")]
    CpuConflict(&'static str),
    /// Options of a tmpfs.
    #[error("invalid tmpfs option \"{0}\"")]
    TmpfsOption(String),
    /// User or group.
    #[error(transparent)]
    User(#[from] crate::user::UserError),
    /// An extra group that does not exist.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// Smallest limit that a container can start with.
    #[error("Minimum memory limit allowed is 6MB")]
    MemoryTooSmall,
    /// Swap below memory.
    #[error("Minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapTooSmall,
    /// Swap without memory.
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage")]
    SwapWithoutMemory,
    /// Reservation above the limit.
    #[error("Minimum memory limit can not be less than memory reservation limit, see usage")]
    ReservationAboveLimit,
    /// More CPUs than there are.
    #[error("range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    CpuRange(usize),
    /// Swappiness outside 0–100.
    #[error("Invalid value: {0}, valid memory swappiness range is 0-100")]
    Swappiness(i64),
    /// OOM score outside the kernel's range.
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i64),
    /// Shared memory below zero.
    #[error("SHM size can not be less than 0")]
    ShmSize,
}

impl HasKind for BundleError {
    fn kind(&self) -> ErrorKind {
        match self {
            // What Docker finds out when the container is created.
            Self::UnknownCapability { .. }
            | Self::CpuConflict(_)
            | Self::MemoryTooSmall
            | Self::SwapTooSmall
            | Self::SwapWithoutMemory
            | Self::ReservationAboveLimit
            | Self::CpuRange(_)
            | Self::Swappiness(_)
            | Self::OomScore(_)
            | Self::ShmSize
            | Self::ReadOnlyPropagation => ErrorKind::InvalidParameter,
            // What it finds out when the container is started: there these are errors of the server.
            Self::SecurityOpt(_)
            | Self::SecurityOptValue(_)
            | Self::SeccompProfile(_)
            | Self::DeviceRule(_)
            | Self::NoDevice { .. }
            | Self::NoBlockDevice(_)
            | Self::ReadOnlyRecursive(_)
            | Self::DeviceMode(_)
            | Self::SysctlHostNetwork(_)
            | Self::SysctlHostIpc(_)
            | Self::SysctlHostname(_)
            | Self::SysctlGlobal(_)
            | Self::Sysctl(_)
            | Self::Ulimit(_)
            | Self::UlimitOrder { .. }
            | Self::TmpfsOption(_)
            | Self::User(_)
            | Self::NoGroup(_) => ErrorKind::System,
        }
    }
}
