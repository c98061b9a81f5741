use std::collections::BTreeMap;
use std::path::PathBuf;

use oci::runtime::{DeviceRuleType, Seccomp};
use spec::{ContainerSpec, Ulimit};

use crate::user::Identity;

/// Everything that the spec of one container depends on.
#[derive(Debug, Clone)]
pub struct BundleInput<'a> {
    /// The declaration with the image's defaults filled in.
    pub spec: &'a ContainerSpec,
    /// Binds as resolved by the engine, in the declared order.
    pub mounts: &'a [Mount],
    /// `/etc/{hosts,hostname,resolv.conf}` of this container.
    pub files: NetworkFiles,
    /// Namespaces of others to join.
    pub joins: Joins,
    /// Who runs the process.
    pub identity: Identity,
    /// The filter, chosen by the engine (`None`: unconfined).
    pub seccomp: Option<Seccomp>,
    /// Path below the mount of each hierarchy.
    pub cgroup_path: &'a str,
    /// What the host is like.
    pub host: &'a HostFacts,
    /// The daemon's defaults.
    pub defaults: &'a Defaults,
    /// Device nodes of the host behind `HostConfig.Devices`, in that order, expanded; for privileged containers all.
    pub devices: Vec<DeviceNode>,
    /// Major and minor number of every block device that `HostConfig.Blkio…` names, by its path.
    pub block_devices: BTreeMap<String, (i64, i64)>,
}

/// Files of the engine that are bound over the image's.
#[derive(Debug, Clone, Default)]
pub struct NetworkFiles {
    /// For `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// For `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// For `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
}

/// Namespaces to join by path; `None` where the declaration says what to do.
#[derive(Debug, Clone, Default)]
pub struct Joins {
    /// The network namespace; `None` is the host's.
    pub network: Option<PathBuf>,
    /// For `--ipc container:…`, with the directory of that container's `/dev/shm`.
    pub ipc: Option<PathBuf>,
    /// For `--pid container:…`.
    pub pid: Option<PathBuf>,
}

/// A bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub destination: String,
    /// Writable.
    pub rw: bool,
    /// `rprivate`, `rshared`, …
    pub propagation: String,
    /// Bind with everything mounted below.
    pub recursive: bool,
    /// Whether what is mounted below is read-only too.
    pub read_only_recursive: ReadOnlyRecursive,
}

/// How far read-only reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadOnlyRecursive {
    /// Everything mounted below, if the kernel can.
    #[default]
    IfPossible,
    /// Not what is mounted below.
    No,
    /// Everything mounted below, or the container cannot be.
    Must,
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Path inside.
    pub path: String,
    /// Character or block.
    pub kind: DeviceRuleType,
    /// Device numbers.
    pub major: i64,
    /// Device numbers.
    pub minor: i64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What the container may do with it: of `rwm`.
    pub access: String,
}

/// What the host is like.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Controllers live in the unified hierarchy.
    pub cgroup_v2: bool,
    /// CPUs online.
    pub cpus: usize,
    /// The same as a list (`0-3`); empty if unknown.
    pub cpu_list: String,
    /// Memory nodes online as a list; empty if unknown.
    pub memory_nodes: String,
    /// Block devices can be given weights.
    pub blkio_weight: bool,
    /// Directories `cpu*/thermal_throttle` of the host, to be masked.
    pub thermal_throttle: Vec<String>,
    /// Hard `nofile` limit of the daemon, which no container can exceed; zero if unknown.
    pub nofile_hard: u64,
    /// The kernel knows recursive read-only mounts (5.12).
    pub recursive_readonly: bool,
}

/// What the daemon gives to every container.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// `--default-ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--init`.
    pub init: bool,
}

/// Everything that an exec session depends on.
#[derive(Debug, Clone)]
pub struct ExecInput<'a> {
    /// The container's declaration.
    pub spec: &'a ContainerSpec,
    /// Program and arguments.
    pub cmd: &'a [String],
    /// More environment.
    pub env: &'a [String],
    /// Directory; the container's if empty.
    pub working_dir: &'a str,
    /// With a terminal.
    pub tty: bool,
    /// All capabilities.
    pub privileged: bool,
    /// First size of the terminal: rows, columns.
    pub console_size: Option<(u16, u16)>,
    /// Who runs it.
    pub identity: Identity,
    /// The daemon's defaults.
    pub defaults: &'a Defaults,
    /// What the host is like.
    pub host: &'a HostFacts,
}
