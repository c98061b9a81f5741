//! `_ping`, `version`, `info`, `system/df`.

use api_types::container::DiskUsage as ContainerUsage;
use api_types::image::DiskUsage as ImageUsage;
use api_types::registry::{IndexInfo, ServiceConfig};
use api_types::system::{
    Commit, ComponentVersion, DiskUsage, FirewallInfo, Info, NetworkAddressPool, PlatformInfo, PluginsInfo, Runtime,
    SwarmInfo, Version,
};
use api_types::{Map, build, volume};
use engine::ListOptions;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, PRAGMA};
use hyper::{Method, StatusCode};

use super::container::view::{self, SNAPSHOTTER};
use super::image::list::summaries;
use super::{Request, Result, convert};
use crate::App;
use crate::http::{ApiError, empty, text};

const INDEX: &str = "https://index.docker.io/v1/";

/// `GET /_ping`, `HEAD /_ping`
pub(crate) async fn ping(request: Request) -> Result {
    let mut response = if request.method == Method::HEAD {
        let mut response = empty(StatusCode::OK);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        response
    } else {
        text(StatusCode::OK, "OK")
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("builder-version", HeaderValue::from_static("2"));
    headers.insert("swarm", HeaderValue::from_static("inactive"));
    Ok(response)
}

/// `GET /version`
pub(crate) async fn version(request: Request) -> Result {
    let host = request.state.engine.system.version();
    let daemon = &request.state.daemon;
    let details = [
        ("ApiVersion", api_types::API_VERSION.to_owned()),
        ("Arch", host.arch.to_owned()),
        ("BuildTime", daemon.build_time.clone()),
        ("Experimental", daemon.experimental.to_string()),
        ("GitCommit", daemon.git_commit.clone()),
        ("GoVersion", daemon.compiler.clone()),
        ("KernelVersion", host.kernel.clone()),
        ("MinAPIVersion", daemon.min_api.clone()),
        ("Os", host.os.to_owned()),
    ];
    let engine = ComponentVersion {
        name: "Engine".to_owned(),
        version: daemon.version.clone(),
        details: details.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    };
    let monitor = ComponentVersion {
        name: "gantry-shim".to_owned(),
        version: daemon.own_version.clone(),
        details: [("GitCommit".to_owned(), daemon.shim_revision.clone())].into(),
    };
    let shown = Version {
        platform: PlatformInfo { name: format!("Gantry {}", daemon.own_version) },
        version: daemon.version.clone(),
        api_version: api_types::API_VERSION.to_owned(),
        min_api_version: daemon.min_api.clone(),
        os: host.os.to_owned(),
        arch: host.arch.to_owned(),
        components: vec![engine, monitor],
        git_commit: daemon.git_commit.clone(),
        go_version: daemon.compiler.clone(),
        kernel_version: host.kernel,
        experimental: daemon.experimental,
        build_time: daemon.build_time.clone(),
    };
    request.reply(StatusCode::OK, &shown)
}

/// `GET /info`
pub(crate) async fn info(request: Request) -> Result {
    let state = request.state.clone();
    // It reads files of the host.
    let shown = tokio::task::spawn_blocking(move || describe(&state)).await;
    let shown = shown.map_err(|e| ApiError::new(error::ErrorKind::System, e.to_string()))?;
    request.reply(StatusCode::OK, &shown)
}

fn describe(app: &App) -> Info {
    let facts = app.engine.system.info();
    let config = app.engine.config();
    let daemon = &app.daemon;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let mut security = Vec::new();
    if facts.seccomp {
        let profile = if config.seccomp_profile.is_empty() { "builtin" } else { &config.seccomp_profile };
        security.push(format!("name=seccomp,profile={profile}"));
    }
    security.push("name=cgroupns".to_owned());
    if config.no_new_privileges {
        security.push("name=no-new-privileges".to_owned());
    }
    let firewall = (config.network.iptables || config.network.ip6tables).then_some("nftables");
    Info {
        id: facts.id,
        containers: count(facts.containers),
        containers_running: count(facts.running),
        containers_paused: count(facts.paused),
        containers_stopped: count(facts.stopped),
        images: count(facts.images),
        driver: SNAPSHOTTER.to_owned(),
        driver_status: vec![["driver-type".to_owned(), "io.containerd.snapshotter.v1".to_owned()]],
        plugins: PluginsInfo {
            volume: app.engine.volumes.drivers(),
            network: owned(&["bridge", "host", "null"]),
            authorization: None,
            log: facts.log_drivers.iter().map(|n| (*n).to_owned()).collect(),
        },
        memory_limit: true,
        swap_limit: true,
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        ipv4_forwarding: facts.ipv4_forwarding,
        debug: facts.debug,
        n_fd: if facts.debug { count(facts.open_files) } else { 0 },
        oom_kill_disable: facts.cgroup_version == "1",
        n_goroutines: count(tokio::runtime::Handle::current().metrics().num_alive_tasks()),
        system_time: convert::time(facts.now),
        logging_driver: facts.log_driver,
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: facts.cgroup_version.to_owned(),
        n_events_listener: count(facts.event_listeners),
        kernel_version: facts.kernel,
        operating_system: facts.operating_system,
        os_version: facts.os_version,
        os_type: "linux".to_owned(),
        architecture: facts.architecture,
        index_server_address: INDEX.to_owned(),
        registry_config: Some(registries(&config.registry)),
        ncpu: count(facts.cpus),
        mem_total: facts.memory,
        docker_root_dir: facts.data_root,
        http_proxy: daemon.http_proxy.clone(),
        https_proxy: daemon.https_proxy.clone(),
        no_proxy: daemon.no_proxy.clone(),
        name: facts.host_name,
        labels: facts.labels,
        experimental_build: daemon.experimental,
        server_version: daemon.version.clone(),
        runtimes: runtimes(&config),
        default_runtime: config.default_runtime.clone(),
        swarm: SwarmInfo { local_node_state: "inactive".to_owned(), ..SwarmInfo::default() },
        live_restore_enabled: facts.live_restore,
        init_binary: "docker-init".to_owned(),
        runc_commit: Commit { id: daemon.shim_revision.clone() },
        security_options: security,
        default_address_pools: config
            .network
            .default_address_pools
            .iter()
            .map(|p| NetworkAddressPool { base: p.base.to_string(), size: i32::from(p.size) })
            .collect(),
        firewall_backend: firewall.map(|f| FirewallInfo { driver: f.to_owned(), info: Vec::new() }),
        warnings: convert::none_if_empty(facts.warnings),
        ..Info::default()
    }
}

/// Our own runtime, which goes by Docker's names, since clients name them; and those that were added.
fn runtimes(config: &engine::Config) -> Map<Runtime> {
    let others = config.runtimes.iter().map(|(name, runtime)| {
        let path = runtime.program.to_string_lossy().into_owned();
        (name.clone(), Runtime { path, args: runtime.args.clone(), ..Runtime::default() })
    });
    ["io.containerd.runc.v2", "runc"]
        .into_iter()
        .map(|name| (name.to_owned(), Runtime { path: "gantry-shim".to_owned(), ..Runtime::default() }))
        .chain(others)
        .collect()
}

fn registries(config: &engine::Registry) -> ServiceConfig {
    let (cidrs, hosts): (Vec<_>, Vec<_>) = config.insecure.iter().cloned().partition(|r| r.contains('/'));
    let mut index_configs: Map<IndexInfo> =
        hosts.into_iter().map(|name| (name.clone(), IndexInfo { name, ..IndexInfo::default() })).collect();
    let hub = IndexInfo {
        name: id::DEFAULT_DOMAIN.to_owned(),
        mirrors: config.mirrors.clone(),
        secure: true,
        official: true,
    };
    index_configs.insert(hub.name.clone(), hub);
    let mut insecure_registry_cidrs = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    insecure_registry_cidrs.extend(cidrs);
    ServiceConfig { insecure_registry_cidrs, index_configs, mirrors: convert::none_if_empty(config.mirrors.clone()) }
}

/// `GET /system/df`
pub(crate) async fn disk_usage(request: Request) -> Result {
    let types = request.form.all("type");
    if let Some(unknown) = types.iter().find(|t| !["container", "image", "volume", "build-cache"].contains(&t.as_str()))
    {
        return Err(ApiError::bad_request(format!("unknown object type: {unknown}")));
    }
    let wants = |kind: &str| types.is_empty() || types.iter().any(|t| t == kind);
    let verbose = request.form.bool("verbose");
    let usage = request.state.engine.system.disk_usage().await?;
    let mut shown = DiskUsage::default();
    let mut legacy = serde_json::Map::new();
    if wants("container") {
        let (summary, items) = containers(&request, &usage)?;
        legacy.insert("Containers".to_owned(), json(&items)?);
        shown.container_usage = Some(ContainerUsage { items: verbose.then_some(items), ..summary });
    }
    if wants("image") {
        let (summary, items) = images(&request, &usage)?;
        legacy.insert("LayersSize".to_owned(), summary.total_size.into());
        legacy.insert("Images".to_owned(), json(&items)?);
        shown.image_usage = Some(ImageUsage { items: verbose.then_some(items), ..summary });
    }
    if wants("volume") {
        let (summary, items) = super::volume::disk_usage(&request.state.engine.volumes.usage().await?);
        legacy.insert("Volumes".to_owned(), json(&items)?);
        shown.volume_usage = Some(volume::DiskUsage { items: verbose.then_some(items), ..summary });
    }
    if wants("build-cache") {
        legacy.insert("BuildCache".to_owned(), json::<[(); 0]>(&[])?);
        shown.build_cache_usage = Some(build::DiskUsage { items: verbose.then(Vec::new), ..Default::default() });
    }
    let mut all = json(&shown)?;
    if !verbose && let Some(all) = all.as_object_mut() {
        legacy.append(all);
        *all = legacy;
    }
    request.reply(StatusCode::OK, &all)
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value)
        .map_err(|e| ApiError::new(error::ErrorKind::System, format!("failed to encode the response: {e}")))
}

fn containers(
    request: &Request,
    usage: &engine::DiskUsage,
) -> Result<(ContainerUsage, Vec<api_types::container::ContainerSummary>)> {
    let all = request.state.engine.containers.list(&ListOptions { all: true, ..ListOptions::default() })?;
    let mut summary = ContainerUsage { total_count: i64::try_from(all.len()).unwrap_or(0), ..Default::default() };
    let mut items = Vec::with_capacity(all.len());
    for container in all {
        let bytes = usage.containers.iter().find(|(id, _)| *id == container.id).map_or(0, |(_, n)| *n);
        let bytes = convert::signed(bytes);
        summary.total_size += bytes;
        if container.state.is_alive() {
            summary.active_count += 1;
        } else {
            summary.reclaimable += bytes;
        }
        let mut item = view::summary(&container, container.spec.config.image.clone());
        item.size_rw = Some(bytes).filter(|n| *n != 0);
        items.push(item);
    }
    Ok((summary, items))
}

fn images(request: &Request, usage: &engine::DiskUsage) -> Result<(ImageUsage, Vec<api_types::image::ImageSummary>)> {
    let engine = &request.state.engine;
    let items = summaries(engine, &image::ListFilter::default(), true, true)?;
    // What a prune of all unused images gives back.
    let used = items.iter().filter(|i| i.containers > 0).filter_map(|i| i.descriptor.as_ref());
    let used = convert::signed(engine.images.store().bytes_of(used)?);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let summary = ImageUsage {
        active_count: count(items.iter().filter(|i| i.containers > 0).count()),
        reclaimable: (convert::signed(usage.layers) - used).max(0),
        total_count: count(items.len()),
        total_size: convert::signed(usage.layers),
        items: None,
    };
    Ok((summary, items))
}
