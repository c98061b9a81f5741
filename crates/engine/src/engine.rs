use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use event::{Bus, Kind};
use id::ContainerId;
use metastore::Db;

use crate::containers::{AccountCache, ContainerRecord, Registry, host_facts};
use crate::shim::LauncherHandle;
use crate::{Config, Containers, Error, Images, Networks, System, Volumes, files};

/// What a reload replaces.
#[derive(Debug)]
struct Live {
    config: Arc<Config>,
    registry: registry_client::Client,
}

/// What all services share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) meta: Arc<Db>,
    pub(crate) images: image::Store,
    live: RwLock<Live>,
    pub(crate) networks: network::Service,
    pub(crate) volumes: volume::Store,
    pub(crate) events: Bus,
    pub(crate) launcher: LauncherHandle,
    pub(crate) containers: Registry,
    pub(crate) accounts: AccountCache,
    pub(crate) host: bundle::HostFacts,
    pub(crate) defaults: bundle::Defaults,
    /// Id of this daemon, made once.
    pub(crate) id: String,
    /// Held for as long as the daemon lives: one daemon per data-root.
    _lock: File,
}

impl Shared {
    /// The set-up as it is now. What [`Engine::reload`] can change must be read here, not from `config`.
    pub(crate) fn live(&self) -> Arc<Config> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// The registry client as it is set up now.
    pub(crate) fn registry(&self) -> registry_client::Client {
        self.live.read().unwrap_or_else(PoisonError::into_inner).registry.clone()
    }

    /// `<data-root>/containers/<id>`.
    pub(crate) fn container_dir(&self, id: &ContainerId) -> PathBuf {
        self.config.data_root.join("containers").join(id.as_str())
    }

    /// `<exec-root>/shim/<id>`.
    pub(crate) fn run_dir(&self, id: &ContainerId) -> PathBuf {
        self.config.exec_root.join("shim").join(id.as_str())
    }

    /// `<exec-root>/exec/<id>`: what the exec sessions of a container are made of.
    pub(crate) fn execs_dir(&self, id: &ContainerId) -> PathBuf {
        self.config.exec_root.join("exec").join(id.as_str())
    }

    /// The cgroup of a container, below the mount of each hierarchy.
    pub(crate) fn cgroup_path(&self, record: &ContainerRecord) -> String {
        self.cgroup_of(&record.spec.host.cgroup_parent, &record.id)
    }

    /// The same from its parts.
    pub(crate) fn cgroup_of(&self, declared: &str, id: &ContainerId) -> String {
        let parent = match (declared.is_empty(), self.config.cgroup_parent.is_empty()) {
            (false, _) => declared,
            (true, false) => self.config.cgroup_parent.as_str(),
            (true, true) => "/docker",
        };
        format!("/{}/{id}", parent.trim_matches('/'))
    }

    /// Emits an event about a container.
    pub(crate) fn emit_container<const N: usize>(
        &self,
        record: &ContainerRecord,
        action: &str,
        extra: [(&str, String); N],
    ) {
        let mut attributes: BTreeMap<String, String> = record.spec.config.labels.clone().unwrap_or_default();
        attributes.insert("image".to_owned(), record.spec.config.image.clone());
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.extend(extra.into_iter().map(|(k, v)| (k.to_owned(), v)));
        self.events.emit(Kind::Container, action, record.id.as_str(), attributes);
    }
}

/// The running engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Containers and exec sessions.
    pub containers: Containers,
    /// Images.
    pub images: Images,
    /// Networks.
    pub networks: Networks,
    /// Volumes.
    pub volumes: Volumes,
    /// What concerns the whole.
    pub system: System,
    /// The event stream.
    pub events: Bus,
    shared: Arc<Shared>,
}

impl Engine {
    /// Opens the data-root, takes over what runs, sweeps what nobody owns, and starts what shall run.
    ///
    /// # Errors
    /// [`Error::DataRootInUse`], and whatever keeps the stores or the network from opening.
    pub async fn start(config: Config) -> Result<Self, Error> {
        for (dir, mode) in [("", 0o710), ("containers", 0o710), ("tmp", 0o700)] {
            files::make_dir(&config.data_root.join(dir), mode)?;
        }
        for dir in ["", "shim"] {
            files::make_dir(&config.exec_root.join(dir), 0o711)?;
        }
        let lock = lock(&config)?;
        let meta = Arc::new(Db::open(&config.data_root.join("gantry.db"))?);
        let images = image::Store::open(
            image::StoreConfig {
                data_root: config.data_root.clone(),
                max_concurrent_downloads: config.max_concurrent_downloads,
            },
            meta.clone(),
        )?;
        images.set_concurrency(config.max_concurrent_downloads, config.max_concurrent_uploads);
        let registry = crate::images::client(&config.registry)?;
        let volumes = volume::Store::open(&config.data_root, meta.clone())?;
        let networks = network::Service::start(config.network.clone(), meta.clone()).await?;
        let journal = config.data_root.join("events.jsonl");
        let events = Bus::open(&journal).map_err(|source| Error::Io { op: "open", path: journal, source })?;
        let shared = Arc::new(Shared {
            id: crate::system::daemon_id(&meta)?,
            launcher: LauncherHandle::new(config.shim.clone()),
            events,
            containers: Registry::default(),
            accounts: AccountCache::default(),
            host: host_facts(),
            defaults: bundle::Defaults {
                ulimits: default_ulimits(&config.default_ulimits),
                no_new_privileges: config.no_new_privileges,
                init: config.init,
            },
            live: RwLock::new(Live { config: Arc::new(config.clone()), registry }),
            config,
            meta,
            images,
            networks,
            volumes,
            _lock: lock,
        });
        shared.launcher.warm().await?;
        let containers = Containers::new(shared.clone());
        containers.restore().await?;
        Ok(Self {
            containers,
            images: Images::new(shared.clone()),
            networks: Networks::new(shared.clone()),
            volumes: Volumes::new(shared.clone()),
            system: System::new(shared.clone()),
            events: shared.events.clone(),
            shared,
        })
    }

    /// How the engine is set up.
    pub fn config(&self) -> Arc<Config> {
        self.shared.live()
    }

    /// Takes over what of `wanted` can change while the engine runs (the rest stays as it was started with), and tells
    /// so by the event `daemon reload`; `extra` are attributes of settings that the engine knows nothing of.
    ///
    /// # Errors
    /// A mirror or proxy that is none: then nothing is changed.
    pub fn reload(&self, wanted: &Config, extra: BTreeMap<String, String>) -> Result<(), Error> {
        let shared = &self.shared;
        let config = Config {
            registry: crate::Registry {
                mirrors: wanted.registry.mirrors.clone(),
                insecure: wanted.registry.insecure.clone(),
                ..shared.config.registry.clone()
            },
            labels: wanted.labels.clone(),
            live_restore: wanted.live_restore,
            shutdown_timeout: wanted.shutdown_timeout,
            default_shm_size: wanted.default_shm_size,
            default_ipc_mode: wanted.default_ipc_mode.clone(),
            default_cgroupns_mode: wanted.default_cgroupns_mode.clone(),
            default_stop_timeout: wanted.default_stop_timeout,
            debug: wanted.debug,
            max_concurrent_downloads: wanted.max_concurrent_downloads,
            max_concurrent_uploads: wanted.max_concurrent_uploads,
            ..shared.config.clone()
        };
        let registry = crate::images::client(&config.registry)?;
        let mut attributes = reload_attributes(&config, shared.host.cgroup_v2);
        attributes.extend(extra);
        shared.images.set_concurrency(config.max_concurrent_downloads, config.max_concurrent_uploads);
        *shared.live.write().unwrap_or_else(PoisonError::into_inner) = Live { config: Arc::new(config), registry };
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        attributes.insert("name".to_owned(), name);
        shared.events.emit(Kind::Daemon, "reload", &shared.id, attributes);
        Ok(())
    }

    /// Ends the engine: with live-restore the containers run on, without it they are stopped.
    pub async fn shutdown(&self) {
        if !self.shared.live().live_restore {
            self.containers.stop_all().await;
        }
        self.shared.networks.shutdown().await;
    }
}

/// The settings as moby tells them after a reload.
fn reload_attributes(config: &Config, cgroup_v2: bool) -> BTreeMap<String, String> {
    let cgroupns = match config.default_cgroupns_mode.as_str() {
        "" if cgroup_v2 => "private",
        "" => "host",
        mode => mode,
    };
    let list = |list: &[String]| serde_json::Value::from(list.to_vec()).to_string();
    [
        ("debug", config.debug.to_string()),
        ("default-cgroupns-mode", cgroupns.to_owned()),
        ("default-ipc-mode", config.default_ipc_mode.clone()),
        ("default-shm-size", config.default_shm_size.to_string()),
        ("insecure-registries", list(&config.registry.insecure)),
        ("labels", list(&config.labels)),
        ("live-restore", config.live_restore.to_string()),
        ("max-concurrent-downloads", config.max_concurrent_downloads.to_string()),
        ("max-concurrent-uploads", config.max_concurrent_uploads.to_string()),
        ("registry-mirrors", list(&config.registry.mirrors)),
        ("shutdown-timeout", config.shutdown_timeout.to_string()),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

fn lock(config: &Config) -> Result<File, Error> {
    let path = config.data_root.join("gantry.lock");
    let io = |source| Error::Io { op: "lock", path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::DataRootInUse(config.data_root.clone())),
        Err(std::fs::TryLockError::Error(e)) => Err(io(e)),
    }
}

/// `--default-ulimit`, and for open files what suits both programs that loop over all of them (soft 1024) and servers,
/// unless the daemon itself may have fewer.
fn default_ulimits(configured: &[spec::Ulimit]) -> Vec<spec::Ulimit> {
    let mut all = configured.to_vec();
    if !all.iter().any(|l| l.name == "nofile") {
        let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let hard = own.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX).min(524_288);
        all.push(spec::Ulimit { name: "nofile".to_owned(), hard, soft: hard.min(1024) });
    }
    all
}
