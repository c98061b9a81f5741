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
    #[error("Conflicting options: Nano CPUs and CPU {0} cannot both be set")]
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
    /// Two options that exclude one another.
    #[error("conflicting options: {0}")]
    Conflict(&'static str),
    /// An isolation technology of another system.
    #[error("invalid isolation ({0}): linux only supports 'default'")]
    Isolation(String),
    /// An annotation without a key.
    #[error("invalid Annotations: the empty string is not permitted as an annotation key")]
    AnnotationKey,
    /// A namespace mode that does not exist.
    #[error("invalid {what}: {mode}")]
    Mode {
        /// Which.
        what: &'static str,
        /// As given.
        mode: String,
    },
    /// A relative place for a tmpfs.
    #[error("invalid mount path: '{0}' mount path must be absolute")]
    TmpfsPath(String),
    /// A tmpfs over everything.
    #[error("invalid specification: destination can't be '/'")]
    TmpfsRoot,
    /// Options of the storage driver.
    #[error("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")]
    StorageOpt,
    /// A time of a health check.
    #[error("{0} in Healthcheck cannot be less than 1ms")]
    HealthTime(&'static str),
    /// Retries of a health check.
    #[error("Retries in Healthcheck cannot be negative")]
    HealthRetries,
    /// Smallest reservation.
    #[error("Minimum memory reservation allowed is 6MB")]
    ReservationTooSmall,
    /// Shares below zero.
    #[error("invalid CPU shares ({0}): value must be a positive integer")]
    CpuShares(i64),
    /// Outside what the kernel takes.
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    CpuPeriod,
    /// Less than the kernel takes.
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    CpuQuota,
    /// No list of numbers.
    #[error("Invalid value {list} for {field}: invalid format: {part}")]
    CpusetList {
        /// As given.
        list: String,
        /// `cpuset cpus` or `cpuset mems`.
        field: &'static str,
        /// The part that is wrong.
        part: String,
    },
    /// Numbers that this host has not got.
    #[error("Requested {what} are not available - requested {list}, available: {available}")]
    CpusetRange {
        /// CPUs or memory nodes.
        what: &'static str,
        /// As given.
        list: String,
        /// What there is.
        available: String,
    },
    /// A weight outside what the kernel takes.
    #[error("Range of blkio weight is from 10 to 1000")]
    BlkioWeight,
    /// Devices that need a driver which is not there.
    #[error("could not select device driver \"{driver}\" with capabilities: {capabilities}")]
    NoDeviceDriver {
        /// As asked.
        driver: String,
        /// As Go prints lists of lists.
        capabilities: String,
    },
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
            | Self::Conflict(_)
            | Self::Isolation(_)
            | Self::AnnotationKey
            | Self::Mode { .. }
            | Self::TmpfsPath(_)
            | Self::TmpfsRoot
            | Self::StorageOpt
            | Self::HealthTime(_)
            | Self::HealthRetries
            | Self::ReservationTooSmall
            | Self::CpuShares(_)
            | Self::CpuPeriod
            | Self::CpuQuota
            | Self::CpusetList { .. }
            | Self::CpusetRange { .. }
            | Self::BlkioWeight
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
            | Self::NoDeviceDriver { .. }
            | Self::NoGroup(_) => ErrorKind::System,
        }
    }
}
