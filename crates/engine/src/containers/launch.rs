//! Starting a run and cleaning up after it.

use ::error::ErrorKind;
use bundle::{BundleInput, ExecInput, HostFacts, Joins, NetworkFiles};
use container::Input;
use shim_proto::{CgroupPlan, Conn, Reply, Request, Rootfs, ShimPlan, Size, StdioPlan};

use super::ExecCreate;
use super::actor::{Actor, Msg};
use super::links;
use super::mounts::Held;
use crate::shim::ShimClient;
use crate::{Error, files};

impl Actor {
    /// Carries out `Command::Launch`. The error, if any, is left in `start_error` for whoever asked.
    pub(super) async fn launch(&mut self) -> Input {
        self.run += 1;
        let launched = self.try_launch().await;
        self.shared.networks.settled();
        match launched {
            Ok((pid, at)) => Input::Started { pid, at },
            Err(error) => {
                let code = match &error {
                    Error::StartFailed { code, .. } => *code,
                    _ => 128,
                };
                self.pending_attach.clear();
                let text = error.to_string();
                tracing::debug!("container {}: start failed: {text}", self.record.id.short());
                self.start_error = Some(error);
                Input::StartFailed { code, error: text, at: files::now() }
            }
        }
    }

    async fn try_launch(&mut self) -> Result<(i32, i64), Error> {
        let rootfs = match self.rootfs.clone() {
            Some(rootfs) => rootfs,
            None => {
                let image =
                    self.shared.images.resolve(self.record.image.id.as_str(), Some(&self.record.image.platform))?;
                let rootfs = self.shared.images.rootfs().rw_mount(&self.record.id, Some(&image))?;
                self.rootfs = Some(rootfs.clone());
                rootfs
            }
        };
        let sandbox = self.shared.networks.sandbox_create(self.sandbox_spec()?).await.map_err(Error::Sandbox)?;
        self.emit_network("connect", &sandbox);
        links::tell_parents(self);
        let network_files = self.write_network_files(&sandbox)?;
        let joins = self.joins(&sandbox)?;
        self.sandbox = Some(sandbox);
        // The handles in it are needed until the shim has made its mounts.
        let held = self.mount_volumes().await?;
        let plan = self.plan(&rootfs, network_files, joins, &held)?;
        self.ship_logs().await?;
        let (_, conn) = self.shared.launcher.launch(&plan).await?;
        let client = self.shim_client(conn)?;
        self.shim = Some(client.clone());
        // The shim serves requests in order: nobody has to be woken in between.
        let hello = client.post_hello().await?;
        let attached = self.post_pending_attach(&client).await?;
        if !attached.is_empty() {
            client.hello(hello).await?;
            for (posted, tx) in attached {
                // Nothing is to run whose output somebody waits for in vain. (Who wanted it may be gone, though.)
                let _ = tx.send(client.attached(posted).await?);
            }
            return started(client.request(Request::Start).await?.0);
        }
        let start = client.post(Request::Start).await?;
        client.hello(hello).await?;
        started(client.answer(start).await?.0)
    }

    /// Tells of every network that the container is on now, or no more.
    fn emit_network(&self, action: &str, sandbox: &network::Sandbox) {
        for endpoint in &sandbox.endpoints {
            let driver = self.shared.networks.resolve(endpoint.network_id.as_str()).map(|n| n.driver);
            let attributes = [
                ("container", self.record.id.to_string()),
                ("name", endpoint.network_name.clone()),
                ("type", driver.unwrap_or_default()),
            ];
            let attributes = attributes.map(|(k, v)| (k.to_owned(), v)).into();
            self.shared.events.emit(event::Kind::Network, action, endpoint.network_id.as_str(), attributes);
        }
    }

    /// A client on this connection whose events come to this owner as of the current run.
    pub(super) fn shim_client(&self, conn: Conn) -> Result<ShimClient, Error> {
        let (queue, run) = (self.queue.clone(), self.run);
        ShimClient::new(conn, move |event| {
            // The owner is gone only when the container is.
            let _ = queue.send(Msg::Shim { run, event });
        })
    }

    fn sandbox_spec(&self) -> Result<network::SandboxSpec, Error> {
        let record = &self.record;
        let (config, host) = (&record.spec.config, &record.spec.host);
        let mode = match host.network_mode.as_str() {
            "host" => network::SandboxMode::Host,
            mode => match mode.strip_prefix("container:") {
                Some(other) => {
                    let find = self.shared.containers.find(other);
                    let other = find.map_err(|error| Error::JoinNetwork(Box::new(error)))?;
                    if !other.view().state.is_alive() {
                        return Err(Error::Conflict(format!(
                            "cannot join network namespace of a non running container: {}",
                            other.id
                        )));
                    }
                    network::SandboxMode::Container(other.id.clone())
                }
                None => network::SandboxMode::Private,
            },
        };
        let private = matches!(mode, network::SandboxMode::Private);
        let mut endpoints = Vec::new();
        for (name, settings) in record.spec.networking.endpoints_config.iter().filter(|_| private) {
            let settings = settings.clone().unwrap_or_default();
            endpoints.push(network::EndpointSpec::from_settings(name, &settings)?);
        }
        let exposed = config.exposed_ports.iter().flatten().map(|(port, _)| port);
        let ports = if private {
            network::PortSpec::from_bindings(&host.port_bindings, exposed, host.publish_all_ports)?
        } else {
            Vec::new()
        };
        let mut servers = Vec::new();
        for server in host.dns.iter().flatten() {
            servers.push(server.parse().map_err(|_| Error::Invalid(format!("{server} is not an ip address")))?);
        }
        Ok(network::SandboxSpec {
            container_id: record.id.clone(),
            name: record.name.clone(),
            hostname: config.hostname.clone(),
            domainname: config.domainname.clone(),
            mode,
            endpoints,
            ports,
            extra_hosts: host.extra_hosts.clone().unwrap_or_default(),
            dns: network::DnsSpec {
                servers,
                search: host.dns_search.clone().unwrap_or_default(),
                options: host.dns_options.clone().unwrap_or_default(),
            },
            links: if private { links::linked(self, true)? } else { Vec::new() },
        })
    }

    fn write_network_files(&self, sandbox: &network::Sandbox) -> Result<NetworkFiles, Error> {
        let dir = self.shared.container_dir(&self.record.id);
        if let Some(other) = self.record.spec.host.network_mode.strip_prefix("container:") {
            // One network, one set of files.
            let other = self.shared.containers.find(other)?;
            let dir = self.shared.container_dir(&other.id);
            let file = |name: &str| Some(dir.join(name)).filter(|p| p.exists());
            return Ok(NetworkFiles {
                hosts: file("hosts"),
                hostname: file("hostname"),
                resolv_conf: file("resolv.conf"),
            });
        }
        let hostname = format!("{}\n", self.record.spec.config.hostname);
        for (name, contents) in
            [("hosts", &sandbox.hosts), ("hostname", &hostname), ("resolv.conf", &sandbox.resolv_conf)]
        {
            files::write(&dir.join(name), contents.as_bytes(), 0o644)?;
        }
        Ok(NetworkFiles {
            hosts: Some(dir.join("hosts")),
            hostname: Some(dir.join("hostname")),
            resolv_conf: Some(dir.join("resolv.conf")),
        })
    }

    fn joins(&self, sandbox: &network::Sandbox) -> Result<Joins, Error> {
        let host = &self.record.spec.host;
        let namespace = |mode: &str, kind: &str| -> Result<Option<std::path::PathBuf>, Error> {
            let Some(other) = mode.strip_prefix("container:") else { return Ok(None) };
            let other = self.shared.containers.find(other)?;
            let view = other.view();
            if !view.state.is_alive() {
                return Err(Error::Conflict(format!("cannot join {kind} of a non running container: {}", view.id)));
            }
            Ok(Some(format!("/proc/{}/ns/{kind}", view.state.pid).into()))
        };
        Ok(Joins {
            network: sandbox.netns_path.clone(),
            ipc: namespace(&host.ipc_mode, "ipc")?,
            pid: namespace(&host.pid_mode, "pid")?,
        })
    }

    fn plan(
        &self,
        rootfs: &image::RootfsMount,
        files: NetworkFiles,
        joins: Joins,
        held: &Held,
    ) -> Result<ShimPlan, Error> {
        let (shared, record) = (&self.shared, &self.record);
        let (config, host) = (&record.spec.config, &record.spec.host);
        let accounts = shared.accounts.of_rootfs(record.image.manifest.digest.parse().ok().as_ref(), rootfs)?;
        let identity = accounts.resolve(&config.user, host.group_add.as_deref().unwrap_or_default())?;
        let cgroup_path = shared.cgroup_path(record);
        let devices = super::devices::resolve(host)?;
        let spec = bundle::build(&BundleInput {
            spec: &record.spec,
            mounts: &held.mounts,
            files,
            joins,
            identity,
            seccomp: crate::filter::choose(&shared.config, host)?,
            cgroup_path: &cgroup_path,
            host: &shared.host,
            defaults: &shared.defaults,
            devices,
            block_devices: super::devices::block_numbers(host),
        })?;
        let [rows, cols] = host.console_size.map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        Ok(ShimPlan {
            id: record.id.to_string(),
            run_dir: shared.run_dir(&record.id),
            exit_file: shared.container_dir(&record.id).join("exit.json"),
            spec,
            rootfs: Rootfs::Overlay {
                lower: rootfs.lower.clone(),
                upper: rootfs.upper.clone(),
                work: rootfs.work.clone(),
                volatile: host.auto_remove,
            },
            netns: None,
            stdio: StdioPlan {
                tty: config.tty,
                open_stdin: config.open_stdin,
                stdin_once: config.stdin_once,
                console_size: (rows > 0 && cols > 0).then_some(Size { rows, cols }),
            },
            log: super::shipping::log_plan(shared, record)?,
            cgroup: CgroupPlan { path: cgroup_path },
            init: shared.defaults.wants_init(host).then(|| shared.config.shim.clone()),
            runtime: shared.config.runtime(&host.runtime)?,
        })
    }

    /// The process of an exec session.
    pub(super) fn exec_process(
        &self,
        create: &ExecCreate,
        console_size: Option<(u16, u16)>,
    ) -> Result<oci::runtime::Process, Error> {
        let record = &self.record;
        let user = if create.user.is_empty() { &record.spec.config.user } else { &create.user };
        let accounts = super::identity::of_running(record.state.pid)?;
        let extra = record.spec.host.group_add.as_deref().unwrap_or_default();
        let identity = accounts.resolve(user, extra)?;
        Ok(bundle::exec_process(&ExecInput {
            spec: &record.spec,
            cmd: &create.cmd,
            env: &create.env,
            working_dir: &create.working_dir,
            tty: create.tty,
            privileged: create.privileged || record.spec.host.privileged,
            console_size,
            identity,
            defaults: &self.shared.defaults,
            host: &self.shared.host,
        })?)
    }

    /// Gives back what a run held. Called when it is over, also when it never got going.
    pub(super) async fn release_run(&mut self) {
        if let Some(shim) = self.shim.take()
            && let Err(error) = shim.ask(Request::Delete).await
        {
            tracing::debug!("container {}: ending its monitor: {error}", self.record.id.short());
            super::restore::clean_up_run(&self.shared, &self.record).await;
        }
        // News of this run that is still under way is old from now on.
        self.run += 1;
        self.execs.values_mut().filter(|e| e.is_live()).for_each(|e| {
            e.running = false;
            e.exit_code = Some(137);
            e.over.send_replace(true);
        });
        if let Some(sandbox) = self.sandbox.take() {
            self.emit_network("disconnect", &sandbox);
            self.shared.networks.sandbox_release(&self.record.id);
        }
        self.finish_shipping();
        self.execs_unsave_all();
        self.unmount_volumes().await;
        self.pending_attach.clear();
        self.publish();
    }

    pub(super) async fn connect(
        &mut self,
        endpoint: network::EndpointSpec,
        settings: spec::EndpointSettings,
    ) -> Result<(), Error> {
        let mode = &self.record.spec.host.network_mode;
        if mode == "host" || mode.starts_with("container:") || mode == "none" {
            return Err(Error::Invalid(
                "container cannot be connected to host network or joined to multiple networks with private (none) or shared network mode".to_owned(),
            ));
        }
        let name = self.shared.networks.resolve(&endpoint.network)?.name;
        if self.record.state.is_alive() {
            self.shared.networks.connect(&self.record.id, endpoint).await?;
            self.refresh_sandbox()?;
        }
        self.record.spec.networking.endpoints_config.insert(name, Some(settings));
        self.shared.meta.put(super::CONTAINERS, self.record.id.as_str(), &self.record)?;
        self.publish();
        Ok(())
    }

    pub(super) async fn disconnect(&mut self, network: &str, force: bool) -> Result<(), Error> {
        let declared = self.record.spec.networking.endpoints_config.contains_key(network);
        if !declared && !force {
            return Err(Error::Invalid(format!("container {} is not connected to network {network}", self.record.id)));
        }
        if self.record.state.is_alive() {
            self.shared.networks.disconnect(&self.record.id, network, force).await?;
            self.refresh_sandbox()?;
        }
        self.record.spec.networking.endpoints_config.remove(network);
        self.shared.meta.put(super::CONTAINERS, self.record.id.as_str(), &self.record)?;
        self.publish();
        Ok(())
    }

    /// The networks have changed under a running container: take the new state, and tell its files.
    pub(super) fn refresh_sandbox(&mut self) -> Result<(), Error> {
        self.sandbox = self.shared.networks.sandbox(&self.record.id);
        if let Some(sandbox) = &self.sandbox {
            self.write_network_files(sandbox)?;
        }
        Ok(())
    }

    /// Changes limits and the restart policy: only the fields that are set.
    ///
    /// Gives what the user should be told.
    pub(super) async fn update(&mut self, new: spec::HostConfig) -> Result<Vec<String>, Error> {
        let told = bundle::check::limits(&new, &self.shared.host, true)?;
        let refused = |why: &str| Error::UpdateRefused { id: self.record.id.to_string(), why: why.to_owned() };
        let mut host = self.record.spec.host.clone();
        let numbers = [
            (&mut host.cpu_shares, new.cpu_shares),
            (&mut host.memory, new.memory),
            (&mut host.nano_cpus, new.nano_cpus),
            (&mut host.cpu_period, new.cpu_period),
            (&mut host.cpu_quota, new.cpu_quota),
            (&mut host.cpu_realtime_period, new.cpu_realtime_period),
            (&mut host.cpu_realtime_runtime, new.cpu_realtime_runtime),
            (&mut host.memory_reservation, new.memory_reservation),
            (&mut host.memory_swap, new.memory_swap),
        ];
        for (field, value) in numbers {
            if value != 0 {
                *field = value;
            }
        }
        for (field, value) in [(&mut host.cpuset_cpus, new.cpuset_cpus), (&mut host.cpuset_mems, new.cpuset_mems)] {
            if !value.is_empty() {
                *field = value;
            }
        }
        host.pids_limit = new.pids_limit.or(host.pids_limit);
        if new.blkio_weight != 0 {
            host.blkio_weight = new.blkio_weight;
        }
        if !new.restart_policy.name.is_empty() {
            let policy = container::RestartPolicy::parse(&new.restart_policy)?;
            if host.auto_remove && policy != container::RestartPolicy::No {
                return Err(refused(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container",
                ));
            }
            host.restart_policy = new.restart_policy;
        }
        if new.memory > 0 && new.memory_swap == 0 && new.memory > self.record.spec.host.memory_swap {
            return Err(refused(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            ));
        }
        bundle::check::limits(&host, &self.shared.host, true)?;
        let resources = bundle::update_resources(&host);
        if let Some(shim) = self.shim.clone().filter(|_| self.record.state.is_alive()) {
            let failed = |e: Error| Error::UpdateFailed { id: self.record.id.to_string(), why: e.to_string() };
            shim.ask(Request::Update { resources: Box::new(resources) }).await.map_err(failed)?;
        }
        self.policy = container::RestartPolicy::parse(&host.restart_policy)?;
        self.record.spec.host = host;
        self.shared.meta.put(super::CONTAINERS, self.record.id.as_str(), &self.record)?;
        self.publish();
        self.emit("update", []);
        Ok(told)
    }
}

/// What the answer to a start means.
fn started(reply: Reply) -> Result<(i32, i64), Error> {
    match reply {
        Reply::Started { pid, started_at } => Ok((pid, started_at)),
        Reply::NotStarted(error) => {
            let code = error.exit_code();
            let kind = if matches!(code, 126 | 127) { ErrorKind::InvalidParameter } else { ErrorKind::System };
            let message = format!("failed to create task for container: failed to create shim task: {}", error.message);
            Err(Error::StartFailed { message, code, kind })
        }
        Reply::Error(fault) => Err(fault.into()),
        _ => Err(Error::ShimGone),
    }
}

/// Whether block devices can be given weights. In v1 BFQ's own weight shows below the root only, its counters there too.
fn blkio_weight() -> bool {
    let unified = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    unified.split_whitespace().any(|controller| controller == "io")
        || ["blkio.weight", "blkio.bfq.io_serviced"]
            .iter()
            .any(|f| std::path::Path::new("/sys/fs/cgroup/blkio").join(f).exists())
}

/// CPUs or memory nodes that are there, as a list.
fn online(kind: &str) -> String {
    let list = std::fs::read_to_string(format!("/sys/devices/system/{kind}/online")).unwrap_or_default();
    list.trim().to_owned()
}

/// What the host is like, read once.
pub(crate) fn host_facts() -> HostFacts {
    let throttle = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let throttle = throttle.filter_map(|e| {
        let dir = e.path().join("thermal_throttle");
        dir.exists().then(|| dir.display().to_string())
    });
    HostFacts {
        cgroup_v2: std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_list: online("cpu"),
        memory_nodes: online("node"),
        blkio_weight: blkio_weight(),
        thermal_throttle: throttle.collect(),
        nofile_hard: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(0),
        recursive_readonly: true,
    }
}
