use error::{ErrorKind, HasKind};

/// Why a declaration cannot be run, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A capability that does not exist.
    #[error("invalid {list}: unknown capability: \"{name}\"")]
    UnknownCapability {
        /// `CapAdd` or `CapDrop`.
        list: &'static str,
        /// As the user wrote it.
        name: String,
    },
    /// A security option that does not exist.
    #[error("invalid --security-opt 1: \"{0}\"")]
    SecurityOpt(String),
    /// A boolean option with another value.
    #[error("invalid --security-opt 2: \"{0}\"")]
    SecurityOptValue(String),
    /// A custom seccomp profile that cannot be read.
    #[error("decoding seccomp profile failed: {0}")]
    SeccompProfile(String),
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
    /// A kernel parameter that is not the container's own.
    #[error("sysctl '{name}' is not allowed as it is not in a separate {namespace} namespace")]
    SysctlNamespace {
        /// The parameter.
        name: String,
        /// `network`, `ipc`, …
        namespace: &'static str,
    },
    /// A name that no kernel parameter has.
    #[error("invalid sysctl: '{0}'")]
    Sysctl(String),
    /// A resource limit that does not exist.
    #[error("invalid ulimit type: {0}")]
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
    #[error("invalid tmpfs option [\"{0}\"]")]
    TmpfsOption(String),
    /// User or group.
    #[error(transparent)]
    User(#[from] crate::user::UserError),
    /// An extra group that does not exist.
    #[error("Unable to find group {0}")]
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
        ErrorKind::InvalidParameter
    }
}
