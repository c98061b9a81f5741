//! Making a container: everything is checked before anything is made, and what was made is undone if a later step fails.

use std::collections::BTreeMap;

use container::{HealthCheck, RestartPolicy, State};
use id::ContainerId;
use oci::image::{ImageConfig, Platform};
use spec::{Config, ContainerSpec, EndpointSettings};

use super::mounts::Points;
use super::record::{CONTAINERS, ContainerRecord, ImageRecord};
use super::{Containers, Created, names};
use crate::{Error, files};

impl Containers {
    /// Makes a container from a declaration. Nothing runs yet.
    ///
    /// # Errors
    /// No such image, name in use, a declaration that cannot be run.
    pub async fn create(
        &self,
        name: Option<&str>,
        spec: ContainerSpec,
        platform: Option<Platform>,
    ) -> Result<Created, Error> {
        let (this, name) = (self.clone(), name.map(str::to_owned));
        // It copies files where volumes are new.
        let work = move || this.create_now(name.as_deref(), spec, platform.as_ref());
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::ShuttingDown))
    }

    fn create_now(
        &self,
        name: Option<&str>,
        mut spec: ContainerSpec,
        platform: Option<&Platform>,
    ) -> Result<Created, Error> {
        let shared = &self.shared;
        if spec.config.image.is_empty() {
            return Err(Error::Invalid("config cannot be empty in order to create a container".to_owned()));
        }
        bundle::check::conflicts(&spec)?;
        let mut warnings = bundle::check::declaration(&spec, &shared.host)?;
        let name = name.filter(|n| !n.is_empty()).map(|n| names::check(n).map(str::to_owned)).transpose()?;
        let image = shared.images.resolve(&spec.config.image, platform)?;
        if let Some(defaults) = image.document.config.as_ref() {
            merge_image(&mut spec.config, defaults);
        }
        let id = ContainerId::from_bytes(files::random()?);
        self.fill_defaults(&id, &mut spec)?;
        self.validate(&spec)?;
        let links = super::links::resolve(shared, &spec)?;
        warnings.extend(port_warning(&spec));
        let name = self.reserve_name(name, &id)?;
        let mut points = Points::resolve(shared, &id, &spec).inspect_err(|_| shared.containers.release(&name))?;
        let mut record = ContainerRecord {
            id: id.clone(),
            name: name.clone(),
            created_at: files::now(),
            spec,
            image: ImageRecord {
                id: image.id.clone(),
                manifest: image.manifest.clone(),
                platform: image.platform.clone(),
            },
            state: State::default(),
            mounts: Vec::new(),
            health: None,
            links,
            remove_volumes: false,
        };
        let dir = shared.container_dir(&id);
        let mut made = || -> Result<image::RootfsMount, Error> {
            let rootfs = shared.images.rootfs().prepare_rw(&id, &image)?;
            files::make_dir(&dir, 0o710)?;
            super::identity::check_working_dir(&rootfs, &record.spec.config.working_dir)?;
            points.fill(shared, &rootfs, &record.spec)?;
            record.mounts.clone_from(&points.all);
            shared.meta.put(CONTAINERS, id.as_str(), &record)?;
            Ok(rootfs)
        };
        let made = made();
        let rootfs = made.inspect_err(|_| {
            points.undo(shared);
            shared.containers.release(&name);
            for undone in [shared.images.rootfs().remove_rw(&id).map_err(Error::from), files::remove_tree(&dir)] {
                if let Err(error) = undone {
                    tracing::warn!("undoing a failed create: {error}");
                }
            }
        })?;
        shared.emit_container(&record, "create", []);
        let (mut actor, inbox) = self.adopt(record);
        actor.rootfs = Some(rootfs);
        points.keep(shared);
        tokio::spawn(actor.serve(inbox));
        Ok(Created { id, warnings })
    }

    fn reserve_name(&self, name: Option<String>, id: &ContainerId) -> Result<String, Error> {
        if let Some(name) = name {
            self.shared.containers.reserve(&name, id)?;
            return Ok(name);
        }
        for attempt in 0..8 {
            let name = names::generate(attempt)?;
            if self.shared.containers.reserve(&name, id).is_ok() {
                return Ok(name);
            }
        }
        let name = id.short().to_owned();
        self.shared.containers.reserve(&name, id)?;
        Ok(name)
    }

    /// What Docker writes into the declaration when the user leaves it open.
    fn fill_defaults(&self, id: &ContainerId, spec: &mut ContainerSpec) -> Result<(), Error> {
        let config = self.shared.live();
        let host = &mut spec.host;
        if host.network_mode.is_empty() || host.network_mode == "default" {
            "bridge".clone_into(&mut host.network_mode);
        }
        if let Some(other) = host.network_mode.strip_prefix("container:") {
            // One that does not exist is complained of at the start, as Docker does.
            if let Ok(other) = self.shared.containers.find(other) {
                host.network_mode = format!("container:{}", other.id);
            }
        } else if spec.config.hostname.is_empty() {
            spec.config.hostname = match host.network_mode.as_str() {
                "host" => host_name(),
                _ => id.short().to_owned(),
            };
        }
        if host.ipc_mode.is_empty() {
            host.ipc_mode.clone_from(&config.default_ipc_mode);
        }
        if host.cgroupns_mode.is_empty() && !host.privileged {
            host.cgroupns_mode.clone_from(&config.default_cgroupns_mode);
        }
        merge_log_defaults(&mut host.log_config, &config.log_driver, &config.log_opts);
        if host.shm_size == 0 {
            host.shm_size = config.default_shm_size;
        }
        if host.runtime.is_empty() {
            // Our own runtime is called by Docker's name for its own: clients compare it.
            host.runtime.clone_from(&config.default_runtime);
        }
        if host.memory > 0 && host.memory_swap == 0 {
            // As much swap again as memory.
            host.memory_swap = host.memory.saturating_mul(2);
        }
        if host.restart_policy.name.is_empty() {
            "no".clone_into(&mut host.restart_policy.name);
        }
        self.declare_networks(spec);
        Ok(())
    }

    /// Every container that has a network of its own declares it by its real name.
    fn declare_networks(&self, spec: &mut ContainerSpec) {
        let mode = spec.host.network_mode.clone();
        if mode.starts_with("container:") {
            return;
        }
        let endpoints = std::mem::take(&mut spec.networking.endpoints_config);
        let mut named: BTreeMap<String, Option<EndpointSettings>> = BTreeMap::new();
        for (network, settings) in endpoints {
            let network = if network == "default" { "bridge".to_owned() } else { network };
            let network = self.shared.networks.resolve(&network).map_or(network, |n| n.name);
            named.insert(network, settings);
        }
        let main = self.shared.networks.resolve(&mode).map_or(mode, |n| n.name);
        let main = named.entry(main).or_default().get_or_insert_default();
        if !spec.config.mac_address.is_empty() && main.mac_address.is_empty() {
            main.mac_address.clone_from(&spec.config.mac_address);
        }
        spec.networking.endpoints_config = named;
    }

    fn validate(&self, spec: &ContainerSpec) -> Result<(), Error> {
        let (shared, host) = (&self.shared, &spec.host);
        let policy = RestartPolicy::parse(&host.restart_policy)?;
        if host.auto_remove && policy != RestartPolicy::No {
            return Err(Error::Invalid("can't create 'AutoRemove' container with restart policy".to_owned()));
        }
        let no_command = spec.config.entrypoint.iter().flatten().chain(spec.config.cmd.iter().flatten()).next();
        if no_command.is_none_or(String::is_empty) {
            return Err(Error::Invalid("no command specified".to_owned()));
        }
        if let Some(check) = &spec.config.healthcheck {
            HealthCheck::validate(check)?;
        }
        if !spec.config.stop_signal.is_empty() {
            super::parse_signal(&spec.config.stop_signal)?;
        }
        let opts: logdriver::LogOpts = host.log_config.config.clone();
        super::shipping::validate(&host.log_config.kind, &opts)?;
        self.shared.config.runtime(&host.runtime)?;
        let dir = &spec.config.working_dir;
        if !dir.is_empty() && !dir.starts_with('/') {
            return Err(Error::Invalid(format!(
                "the working directory '{dir}' is invalid, it needs to be an absolute path"
            )));
        }
        one_line_each(spec)?;
        for env in spec.config.env.iter().flatten() {
            if env.is_empty() || env.starts_with('=') {
                return Err(Error::Invalid(format!("invalid environment variable: {env}")));
            }
        }
        network::PortSpec::from_bindings(&host.port_bindings, std::iter::empty::<&str>(), false)?;
        for mode in [&host.ipc_mode, &host.pid_mode] {
            if let Some(other) = mode.strip_prefix("container:") {
                // Not "not found", which would have the client pull the image.
                shared.containers.find(other).map_err(|e| Error::Invalid(e.to_string()))?;
            }
        }
        for (name, settings) in &spec.networking.endpoints_config {
            // A network that is not there is complained of at the start, as Docker does.
            if let Some(settings) = settings.as_ref().filter(|_| shared.networks.resolve(name).is_ok()) {
                let wrong = |e: network::Error| Error::Invalid(format!("invalid config for network {name}: {e}"));
                let endpoint = network::EndpointSpec::from_settings(name, settings)?;
                shared.networks.check_endpoint(&endpoint).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

/// The daemon's driver where none is named; its options where the driver is the same, those of the cache for every driver.
fn merge_log_defaults(declared: &mut spec::LogConfig, driver: &str, opts: &BTreeMap<String, String>) {
    if declared.kind.is_empty() {
        driver.clone_into(&mut declared.kind);
    }
    let same = declared.kind == driver;
    for (key, value) in opts.iter().filter(|(key, _)| same || key.starts_with("cache-")) {
        declared.config.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// What the user asked for and will not get.
fn port_warning(spec: &ContainerSpec) -> Option<String> {
    let discarded = spec.host.network_mode == "host" && !spec.host.port_bindings.is_empty();
    discarded.then(|| "Published ports are discarded when using host network mode".to_owned())
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Fills what the user left open with the image's defaults (moby `daemon/commit.go: merge`).
fn merge_image(user: &mut Config, image: &ImageConfig) {
    if user.user.is_empty() {
        user.user.clone_from(&image.user);
    }
    for port in image.exposed_ports.keys() {
        user.exposed_ports.get_or_insert_default().entry(port.clone()).or_default();
    }
    let env = user.env.get_or_insert_default();
    for default in &image.env {
        let key = default.split('=').next().unwrap_or_default();
        if !env.iter().any(|e| e.split('=').next() == Some(key)) {
            env.push(default.clone());
        }
    }
    let labels = user.labels.get_or_insert_default();
    for (key, value) in &image.labels {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    match user.entrypoint.take() {
        // An explicit entrypoint (even `[""]`, which means "none") drops the image's command.
        Some(words) if words.len() == 1 && words[0].is_empty() => {}
        Some(words) if !words.is_empty() => user.entrypoint = Some(words),
        _ => {
            if user.cmd.as_ref().is_none_or(Vec::is_empty) && !image.cmd.is_empty() {
                user.cmd = Some(image.cmd.clone());
            }
            user.entrypoint = (!image.entrypoint.is_empty()).then(|| image.entrypoint.clone());
        }
    }
    if user.working_dir.is_empty() {
        user.working_dir.clone_from(&image.working_dir);
    }
    for path in image.volumes.keys() {
        user.volumes.get_or_insert_default().entry(path.clone()).or_default();
    }
    merge_healthcheck(user, image);
    if user.stop_signal.is_empty() {
        user.stop_signal = image.stop_signal.clone().unwrap_or_default();
    }
}

/// What the user leaves open in the health check comes from the image.
fn merge_healthcheck(user: &mut Config, image: &ImageConfig) {
    let Some(default) = &image.healthcheck else { return };
    let own = user.healthcheck.get_or_insert_default();
    if own.test.is_empty() {
        own.test.clone_from(&default.test);
    }
    let fill = |own: &mut i64, default: Option<i64>| {
        if *own == 0 {
            *own = default.unwrap_or(0);
        }
    };
    fill(&mut own.interval, default.interval);
    fill(&mut own.timeout, default.timeout);
    fill(&mut own.start_period, default.start_period);
    fill(&mut own.start_interval, default.start_interval);
    fill(&mut own.retries, default.retries);
}

/// What becomes a line of `/etc/hosts`, `/etc/hostname` or `/etc/resolv.conf` has no end of line in it, nor anything else
/// that is no text.
fn one_line_each(spec: &ContainerSpec) -> Result<(), Error> {
    let (config, host) = (&spec.config, &spec.host);
    let lists = [
        ("DNS server", &host.dns),
        ("DNS search domain", &host.dns_search),
        ("DNS option", &host.dns_options),
        ("extra host", &host.extra_hosts),
    ];
    let listed = lists.into_iter().flat_map(|(what, list)| list.iter().flatten().map(move |value| (what, value)));
    let mut all = [("hostname", &config.hostname), ("domainname", &config.domainname)].into_iter().chain(listed);
    match all.find(|(_, value)| value.contains(|c: char| c.is_control() && c != '\t')) {
        Some((what, value)) => Err(Error::Invalid(format!("invalid {what}: {value:?} has control characters"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|s| (*s).to_owned()).collect()
    }

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(list(words))
    }

    #[test]
    fn the_image_fills_what_the_user_left_open() {
        let image = ImageConfig {
            cmd: list(&["sh"]),
            entrypoint: list(&["/entry"]),
            env: list(&["PATH=/bin", "A=image"]),
            ..Default::default()
        };
        let mut user = Config { env: words(&["A=user"]), ..Config::default() };
        merge_image(&mut user, &image);
        assert_eq!(user.env, words(&["A=user", "PATH=/bin"]));
        assert_eq!((user.entrypoint, user.cmd), (words(&["/entry"]), words(&["sh"])));
    }

    #[test]
    fn a_health_check_is_filled_from_the_images() {
        let check = oci::image::Healthcheck { test: list(&["CMD", "x"]), retries: Some(5), ..Default::default() };
        let image = ImageConfig { healthcheck: Some(check), ..Default::default() };
        let own = spec::HealthConfig { interval: 7, ..Default::default() };
        let mut user = Config { healthcheck: Some(own), ..Config::default() };
        merge_image(&mut user, &image);
        let want = spec::HealthConfig { test: list(&["CMD", "x"]), interval: 7, retries: 5, ..Default::default() };
        assert_eq!(user.healthcheck, Some(want));
        let mut none = Config::default();
        merge_image(&mut none, &ImageConfig::default());
        assert_eq!(none.healthcheck, None);
    }

    #[test]
    fn an_explicit_entrypoint_drops_the_images_command() {
        let image = ImageConfig { cmd: list(&["sh"]), entrypoint: list(&["/entry"]), ..Default::default() };
        let mut user = Config { entrypoint: words(&["/mine"]), ..Config::default() };
        merge_image(&mut user, &image);
        assert_eq!((user.entrypoint, user.cmd), (words(&["/mine"]), None));
        let mut user = Config { entrypoint: words(&[""]), cmd: words(&["x"]), ..Config::default() };
        merge_image(&mut user, &image);
        assert_eq!((user.entrypoint, user.cmd), (None, words(&["x"])));
    }
}
