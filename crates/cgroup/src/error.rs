//! What can go wrong with a cgroup.

use std::path::PathBuf;

use ::error::{ErrorKind, HasKind};
use rustix::io::Errno;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed cgroup operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host has no cgroup file system where one is looked for.
    #[error("no cgroup hierarchy is mounted")]
    NotMounted,
    /// A cgroup path is relative, empty, the root, or has `.`, `..` or NUL in it.
    #[error("invalid cgroup path {path:?}")]
    InvalidPath {
        /// The path.
        path: String,
    },
    /// A limit is asked for that no mounted controller can enforce.
    #[error("cgroup controller {controller} is not available")]
    NoController {
        /// Controller (v1) or file (v2).
        controller: String,
    },
    /// A key of [`oci::runtime::Resources::unified`] is no plain file name.
    #[error("unified resource {key:?} must be a file name (no slashes)")]
    InvalidUnifiedKey {
        /// The key.
        key: String,
    },
    /// `unified` limits on a host without cgroup v2.
    #[error("cgroup: unified resources need cgroup v2")]
    UnifiedWithoutV2,
    /// Swap limits that cannot be expressed.
    #[error("memory+swap limit {swap} should be >= memory limit {limit}")]
    SwapBelowMemory {
        /// Memory limit, bytes.
        limit: i64,
        /// Memory plus swap limit, bytes.
        swap: i64,
    },
    /// A swap limit without a memory limit.
    #[error("unable to set swap limit without memory limit")]
    SwapWithoutMemory,
    /// The limit is below what is in use now.
    #[error("unable to set memory limit to {limit} (current usage: {usage})")]
    MemoryBusy {
        /// Wanted limit, bytes.
        limit: i64,
        /// Bytes in use.
        usage: u64,
    },
    /// An access string or type of a device rule is unknown.
    #[error("invalid device rule access {access:?}")]
    InvalidDeviceAccess {
        /// Letters given.
        access: String,
    },
    /// The processes did not freeze or thaw in time.
    #[error("unable to {} cgroup {}", if *.freeze { "freeze" } else { "thaw" }, .path.display())]
    FreezeTimeout {
        /// Direction.
        freeze: bool,
        /// Cgroup directory.
        path: PathBuf,
    },
    /// Loading or attaching the device filter failed.
    #[error("unable to {operation} the device filter of {}: {errno}", .path.display())]
    DeviceFilter {
        /// What was done: `load`, `attach`, `query` or `detach`.
        operation: &'static str,
        /// Cgroup directory.
        path: PathBuf,
        /// errno of bpf(2).
        errno: Errno,
    },
    /// A file operation failed.
    #[error("{operation} {}: {errno}", .path.display())]
    Io {
        /// System call or action.
        operation: &'static str,
        /// File or directory.
        path: PathBuf,
        /// errno.
        errno: Errno,
    },
    /// The systemd driver on a host that systemd does not run.
    #[error("systemd not running on this host, cannot use systemd cgroups manager")]
    NoSystemd,
    /// The conversation with systemd broke off, or made no sense.
    #[error("no answer from systemd to {operation}")]
    Bus {
        /// What was asked.
        operation: &'static str,
    },
    /// systemd said no.
    #[error("systemd: {message} ({name})")]
    Systemd {
        /// Name of the error on the bus.
        name: String,
        /// In words.
        message: String,
    },
    /// A job of systemd did not end well.
    #[error("systemd could not start or stop {unit}: job {result}")]
    SystemdJob {
        /// The unit.
        unit: String,
        /// As `failed`, `timeout`, `canceled`.
        result: String,
    },
    /// A cgroup path is no `slice:prefix:name`, or names units that cannot be.
    #[error("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead")]
    InvalidUnit {
        /// The path.
        path: String,
    },
    /// A list of CPUs or memory nodes that is none.
    #[error("invalid list of CPUs or memory nodes {list:?}")]
    InvalidCpuList {
        /// The list.
        list: String,
    },
    /// A kernel file holds something unexpected.
    #[error("unexpected content of {}", .path.display())]
    Malformed {
        /// File.
        path: PathBuf,
    },
}

impl Error {
    /// errno, where the kernel said no.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { errno, .. } | Self::DeviceFilter { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidPath { .. }
            | Self::InvalidUnifiedKey { .. }
            | Self::SwapBelowMemory { .. }
            | Self::SwapWithoutMemory
            | Self::InvalidUnit { .. }
            | Self::InvalidCpuList { .. }
            | Self::InvalidDeviceAccess { .. } => ErrorKind::InvalidParameter,
            Self::MemoryBusy { .. } => ErrorKind::Conflict,
            Self::NoController { .. } | Self::UnifiedWithoutV2 => ErrorKind::NotImplemented,
            Self::NotMounted | Self::NoSystemd | Self::Bus { .. } => ErrorKind::Unavailable,
            Self::FreezeTimeout { .. } => ErrorKind::DeadlineExceeded,
            Self::Systemd { .. }
            | Self::SystemdJob { .. }
            | Self::DeviceFilter { .. }
            | Self::Io { .. }
            | Self::Malformed { .. } => ErrorKind::System,
        }
    }
}
