use std::sync::Arc;

use container::Phase;
use metastore::{Db, Table};

use crate::engine::Shared;
use crate::{Error, files};

/// What concerns the daemon as a whole.
#[derive(Debug, Clone)]
pub struct System {
    shared: Arc<Shared>,
}

/// Facts about the engine and its host (`GET /info`).
#[derive(Debug, Clone)]
pub struct Info {
    /// Id of this daemon.
    pub id: String,
    /// Containers by state.
    pub containers: usize,
    pub running: usize,
    pub paused: usize,
    pub stopped: usize,
    /// Images.
    pub images: usize,
    pub host_name: String,
    pub kernel: String,
    /// `PRETTY_NAME` of os-release.
    pub operating_system: String,
    pub os_version: String,
    pub architecture: String,
    pub cpus: usize,
    /// Bytes.
    pub memory: i64,
    /// `1` or `2`.
    pub cgroup_version: &'static str,
    /// Goroutines and descriptors have no meaning here; descriptors are counted all the same.
    pub open_files: usize,
    pub event_listeners: usize,
    /// Nanoseconds since the epoch.
    pub now: i64,
    /// Root of the data.
    pub data_root: String,
    pub live_restore: bool,
    pub debug: bool,
    pub labels: Vec<String>,
    pub log_driver: String,
    /// All log drivers.
    pub log_drivers: &'static [&'static str],
    pub seccomp: bool,
    /// The host's forwarding switch.
    pub ipv4_forwarding: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Versions (`GET /version`).
#[derive(Debug, Clone)]
pub struct Version {
    /// Ours.
    pub version: &'static str,
    pub kernel: String,
    pub os: &'static str,
    pub arch: &'static str,
}

/// Bytes on disk (`GET /system/df`).
#[derive(Debug, Clone, Default)]
pub struct DiskUsage {
    /// Of images, all layers counted once, with downloads that were broken off.
    pub layers: u64,
    /// Of read-write layers: container id and bytes.
    pub containers: Vec<(id::ContainerId, u64)>,
}

/// Small facts that are one per daemon.
const FACTS: Table<String> = Table::new("daemon");

/// The daemon's id, made at the first start (a UUID, as Docker's).
pub(crate) fn daemon_id(meta: &Db) -> Result<String, Error> {
    if let Some(id) = meta.get(FACTS, "id")? {
        return Ok(id);
    }
    let mut bytes = files::random()?;
    // RFC 9562, version 4.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes[..16].iter().map(|b| format!("{b:02x}")).collect();
    let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    meta.put(FACTS, "id", &id)?;
    Ok(id)
}

impl System {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Versions of engine and host.
    pub fn version(&self) -> Version {
        Version {
            version: env!("CARGO_PKG_VERSION"),
            kernel: uname(|u| u.release().to_string_lossy().into_owned()),
            os: "linux",
            arch: go_arch(),
        }
    }

    /// The state of everything.
    pub fn info(&self) -> Info {
        let shared = &self.shared;
        let live = shared.live();
        let phases: Vec<Phase> = shared.containers.all().iter().map(|h| h.view().state.phase).collect();
        let count = |f: fn(Phase) -> bool| phases.iter().filter(|p| f(**p)).count();
        let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let running = count(|p| matches!(p, Phase::Running | Phase::Restarting));
        let paused = count(|p| p == Phase::Paused);
        Info {
            id: shared.id.clone(),
            containers: phases.len(),
            running,
            paused,
            stopped: phases.len() - running - paused,
            images: shared.images.count(),
            host_name: uname(|u| u.nodename().to_string_lossy().into_owned()),
            kernel: uname(|u| u.release().to_string_lossy().into_owned()),
            operating_system: os_release_value(&os_release, "PRETTY_NAME"),
            os_version: os_release_value(&os_release, "VERSION_ID"),
            architecture: uname(|u| u.machine().to_string_lossy().into_owned()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: total_memory(),
            cgroup_version: if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" },
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            event_listeners: shared.events.listeners(),
            now: files::now(),
            data_root: shared.config.data_root.display().to_string(),
            live_restore: live.live_restore,
            debug: live.debug,
            labels: live.labels.clone(),
            log_driver: shared.config.log_driver.clone(),
            log_drivers: &logship::NAMES,
            seccomp: std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
            ipv4_forwarding: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|s| s.trim() == "1"),
            warnings: Vec::new(),
        }
    }

    /// Verifies every digest, layer and record of the image store; mends what can be mended with `repair`.
    ///
    /// # Errors
    /// The store cannot be read at all.
    pub async fn check(&self, repair: bool) -> Result<image::CheckReport, Error> {
        let store = self.shared.images.clone();
        let work = move || Ok(image::check(&store, repair)?);
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn disk_usage(&self) -> Result<DiskUsage, Error> {
        let shared = self.shared.clone();
        let work = move || -> Result<DiskUsage, Error> {
            let images = shared.images.disk_usage()?;
            let containers = shared.containers.all().into_iter().map(|handle| {
                let bytes = shared.images.rootfs().rw_usage(&handle.id).unwrap_or(0);
                (handle.id.clone(), bytes)
            });
            Ok(DiskUsage {
                layers: images.content + images.unpacked + images.partial,
                containers: containers.collect(),
            })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::ShuttingDown))
    }
}

fn uname<T>(read: impl Fn(&rustix::system::Uname) -> T) -> T {
    read(&rustix::system::uname())
}

/// Go's name of this architecture.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn os_release_value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

/// Bytes of memory of the host (`MemTotal` of proc_meminfo(5)).
pub(crate) fn total_memory() -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib: i64 = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0);
    kib * 1024
}
