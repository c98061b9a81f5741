use std::path::PathBuf;

/// How the engine is set up. Made by the daemon from flags and `daemon.json`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything that must survive a reboot lies (`/var/lib/gantry`).
    pub data_root: PathBuf,
    /// Where everything that a reboot clears lies (`/run/gantry`).
    pub exec_root: PathBuf,
    /// The `gantry-shim` program, laid down by the daemon.
    pub shim: PathBuf,
    /// Network set-up; `data_root` and `exec_root` inside are the engine's.
    pub network: network::Config,
    /// Registries.
    pub registry: Registry,
    /// Labels of this daemon (`--label`).
    pub labels: Vec<String>,
    /// `--init`: run an init of ours in every container that does not say otherwise.
    pub init: bool,
    /// `--live-restore`: containers run on when the daemon stops cleanly.
    pub live_restore: bool,
    /// `--shutdown-timeout`: seconds that containers get to stop when the daemon stops and live-restore is off.
    pub shutdown_timeout: u64,
    /// `--add-runtime` and `runtimes`: other OCI runtimes by name.
    pub runtimes: std::collections::BTreeMap<String, shim_proto::ForeignRuntime>,
    /// `--default-runtime`: the runtime of containers that name none; ours by Docker's names.
    pub default_runtime: String,
    /// `--log-driver`.
    pub log_driver: String,
    /// `--log-opt`.
    pub log_opts: std::collections::BTreeMap<String, String>,
    /// `--cgroup-parent`; `/docker` if empty.
    pub cgroup_parent: String,
    /// `--default-shm-size` in bytes.
    pub default_shm_size: i64,
    /// `--default-ipc-mode`: `private` or `shareable`.
    pub default_ipc_mode: String,
    /// `--default-cgroupns-mode`: `private` or `host`; empty for what suits the host.
    pub default_cgroupns_mode: String,
    /// `--default-stop-timeout`: seconds between the stop signal and SIGKILL; -1 waits for ever.
    pub default_stop_timeout: i64,
    /// `--default-ulimit`.
    pub default_ulimits: Vec<spec::Ulimit>,
    /// `--debug`.
    pub debug: bool,
    /// `--seccomp-profile` path, `unconfined`, or `builtin`/empty.
    pub seccomp_profile: String,
    /// `--no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--max-concurrent-downloads`.
    pub max_concurrent_downloads: usize,
    /// `--max-concurrent-uploads`.
    pub max_concurrent_uploads: usize,
    /// Addresses of the API, for `info`.
    pub hosts: Vec<String>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// `--registry-mirror`.
    pub mirrors: Vec<String>,
    /// `--insecure-registry`: hosts or CIDR ranges.
    pub insecure: Vec<String>,
    /// Directory of per-host certificates (`/etc/docker/certs.d`).
    pub certs_dir: PathBuf,
    /// `--http-proxy`; with `None` the environment's.
    pub http_proxy: Option<String>,
    /// `--https-proxy`; with `None` the environment's.
    pub https_proxy: Option<String>,
    /// `--no-proxy`; with `None` the environment's.
    pub no_proxy: Option<String>,
    /// What the engine calls itself when it asks a registry.
    pub user_agent: String,
}

/// Whether a name means our own runtime: ours, and Docker's names for the one that is always there.
#[must_use]
pub fn is_own_runtime(name: &str) -> bool {
    matches!(name, "gantry" | "runc" | "io.containerd.runc.v2")
}

impl Config {
    /// The other runtime of this name; none for our own.
    ///
    /// # Errors
    /// Nobody has registered the name.
    pub(crate) fn runtime(&self, name: &str) -> Result<Option<shim_proto::ForeignRuntime>, crate::Error> {
        match self.runtimes.get(name) {
            None if is_own_runtime(name) => Ok(None),
            None => Err(crate::Error::Invalid(format!("unknown or invalid runtime name: {name}"))),
            found => Ok(found.cloned()),
        }
    }
}
