//! What the settings mean, checked: a value that [`super::run`] executes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use api::http::TlsFiles;

use super::journal::{Format, Level};
use super::settings::Settings;
use super::table::Use;
use super::{hosts, validate};

/// What the daemon will do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) log: (Level, Format),
    pub(super) debug: bool,
    pub(super) data_root: PathBuf,
    pub(super) exec_root: PathBuf,
    pub(super) pidfile: Option<PathBuf>,
    /// `PROTO://ADDR`, sorted, each once.
    pub(super) hosts: Vec<String>,
    pub(super) group: String,
    pub(super) tls: Option<TlsFiles>,
    pub(super) shutdown_timeout: u64,
    /// `HOST:PORT` for metrics.
    pub(super) metrics: Option<String>,
    pub(super) api: api::Daemon,
    /// The engine's set-up; where the shim lies is filled in when it is laid down.
    pub(super) engine: engine::Config,
    /// Things to log once the log is there.
    pub(super) remarks: Vec<(Level, String)>,
}

/// Checks the settings.
pub(super) fn plan(s: &Settings) -> Result<Plan> {
    validate::refuse_missing(s)?;
    let log = (Level::parse(&s.text("log-level"))?, Format::parse(&s.text("log-format"))?);
    let debug = s.on("debug");
    let data_root = absolute(s, "data-root")?;
    let exec_root = absolute(s, "exec-root")?;
    let tls = hosts::tls(s)?;
    let mut remarks = remarks(s);
    let hosts = hosts::hosts(s, tls.as_ref(), &mut remarks)?;
    Ok(Plan {
        log: (if debug { Level::Debug } else { log.0 }, log.1),
        debug,
        pidfile: s.non_empty("pidfile").map(PathBuf::from),
        group: s.text("group"),
        tls,
        shutdown_timeout: u64::try_from(s.number("shutdown-timeout")).unwrap_or(u64::MAX),
        metrics: s.non_empty("metrics-addr"),
        api: daemon_facts(s)?,
        engine: engine_config(s, &data_root, &exec_root, &hosts)?,
        hosts,
        remarks,
        data_root,
        exec_root,
    })
}

fn engine_config(s: &Settings, data_root: &Path, exec_root: &Path, hosts: &[String]) -> Result<engine::Config> {
    let runtimes = runtimes(&s.list("add-runtime"))?;
    let default_runtime = s.non_empty("default-runtime").unwrap_or_else(|| "runc".to_owned());
    Ok(engine::Config {
        data_root: data_root.to_owned(),
        exec_root: exec_root.to_owned(),
        shim: PathBuf::new(),
        network: network(s, exec_root.to_owned(), data_root.to_owned())?,
        registry: registry(s),
        labels: labels(s)?,
        init: s.on("init"),
        live_restore: s.on("live-restore"),
        shutdown_timeout: u64::try_from(s.number("shutdown-timeout")).unwrap_or(u64::MAX),
        runtimes,
        default_runtime,
        log_driver: s.text("log-driver"),
        log_opts: pairs(&s.list("log-opt")),
        cgroup_parent: s.text("cgroup-parent"),
        default_shm_size: units::size::ram_in_bytes(&s.text("default-shm-size"))?,
        default_ulimits: ulimits(s)?,
        debug: s.on("debug"),
        seccomp_profile: Some(s.text("seccomp-profile")).filter(|p| p != "builtin").unwrap_or_default(),
        no_new_privileges: s.on("no-new-privileges"),
        max_concurrent_downloads: count(s, "max-concurrent-downloads", 3),
        max_concurrent_uploads: count(s, "max-concurrent-uploads", 5),
        default_ipc_mode: s.text("default-ipc-mode"),
        default_cgroupns_mode: s.text("default-cgroupns-mode"),
        default_stop_timeout: s.number("default-stop-timeout"),
        hosts: hosts.to_vec(),
    })
}

/// What dockerd finds out only when it starts, not by `--validate`.
///
/// # Errors
/// A runtime without a program or with a name of our own, a default that is none of them.
pub(super) fn check_runtimes(config: &engine::Config) -> Result<()> {
    for (name, runtime) in &config.runtimes {
        ensure!(!engine::is_own_runtime(name), "runtime name '{name}' is reserved");
        ensure!(
            !name.is_empty() && !runtime.program.as_os_str().is_empty(),
            "invalid runtime argument: {name}={}",
            runtime.program.display()
        );
    }
    let default = &config.default_runtime;
    ensure!(
        config.runtimes.contains_key(default) || engine::is_own_runtime(default),
        "specified default runtime '{default}' does not exist"
    );
    Ok(())
}

/// Other runtimes: `name=path` of a flag, or an object of `daemon.json` (`super::file` gives it as JSON with its name).
fn runtimes(list: &[String]) -> Result<BTreeMap<String, engine::ForeignRuntime>> {
    let mut all = BTreeMap::new();
    for text in list {
        let (name, path, args) = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Object(said)) => {
                let text = |key: &str| said.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
                let name = text("name");
                ensure!(
                    said.get("runtimeType").is_none(),
                    "runtime '{name}': runtimeType is not supported by this engine"
                );
                let list = said.get("runtimeArgs").and_then(|v| v.as_array()).cloned().unwrap_or_default();
                (name, text("path"), list.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect())
            }
            _ => {
                let (name, path) = text.split_once('=').with_context(|| format!("invalid runtime argument: {text}"))?;
                (name.trim().to_lowercase(), path.trim().to_owned(), Vec::new())
            }
        };
        let runtime = engine::ForeignRuntime { program: in_path(&path), args };
        ensure!(all.insert(name.clone(), runtime).is_none(), "runtime '{name}' was already defined");
    }
    Ok(all)
}

/// A program without a slash is looked up in `$PATH`, as the daemon's own.
fn in_path(program: &str) -> PathBuf {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&dirs).map(|dir| dir.join(program)).find(|path| path.is_file());
    if program.contains('/') { PathBuf::from(program) } else { found.unwrap_or_else(|| PathBuf::from(program)) }
}

fn absolute(s: &Settings, name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(s.text(name));
    ensure!(path.is_absolute(), "{name} must be an absolute path: {}", path.display());
    Ok(path)
}

/// A number; 0 is the default, as in dockerd.
fn count(s: &Settings, name: &str, default: usize) -> usize {
    usize::try_from(s.number(name)).ok().filter(|n| *n > 0).unwrap_or(default)
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn remarks(s: &Settings) -> Vec<(Level, String)> {
    let inert = s.idle(Use::Inert).into_iter();
    let inert = inert.map(|n| (Level::Debug, format!("--{n} has no meaning for this engine and is ignored")));
    let keys = s.idle_keys().into_iter();
    let keys = keys.map(|n| (Level::Debug, format!("the directive {n} has no meaning for this engine and is ignored")));
    let mut all: Vec<_> = inert.chain(keys).collect();
    if s.list("feature").iter().any(|f| f == "containerd-snapshotter=false") {
        all.push((
            Level::Warn,
            "feature containerd-snapshotter cannot be switched off: there is one image store".to_owned(),
        ));
    }
    let driver = s.text("storage-driver");
    if !matches!(driver.as_str(), "" | "overlay2" | "overlayfs" | "overlay") {
        all.push((Level::Warn, format!("storage driver {driver} is not supported: using overlayfs")));
    }
    all
}

fn daemon_facts(s: &Settings) -> Result<api::Daemon> {
    let from_env = std::env::var("DOCKER_MIN_API_VERSION").ok().filter(|v| !v.is_empty());
    let min_api = from_env.or_else(|| s.key("min-api-version").map(str::to_owned));
    let min_api = min_api.unwrap_or_else(|| api_types::MIN_API_VERSION.to_owned());
    ensure!(!min_api.starts_with('v'), "invalid min API version: API version must be provided without \"v\" prefix");
    let parsed = api_compat::Version::parse(&min_api).context(format!("invalid min API version: {min_api}"))?;
    ensure!(
        parsed >= api_compat::Version::OLDEST,
        "minimum supported API version is {}: {min_api}",
        api_compat::Version::OLDEST
    );
    ensure!(
        parsed <= api_compat::Version::LATEST,
        "maximum supported API version is {}: {min_api}",
        api_compat::Version::LATEST
    );
    Ok(api::Daemon {
        version: super::VERSION.to_owned(),
        git_commit: super::BUILD.to_owned(),
        build_time: build_time(),
        compiler: env!("GANTRY_BUILD_COMPILER").to_owned(),
        own_version: super::OWN_VERSION.to_owned(),
        shim_revision: super::embedded::SHIM_HASH.to_owned(),
        experimental: s.on("experimental"),
        min_api,
        http_proxy: s.text("http-proxy"),
        https_proxy: s.text("https-proxy"),
        no_proxy: s.text("no-proxy"),
        embedded_image: super::embedded::hello_image(),
    })
}

/// When this program was built, RFC 3339.
fn build_time() -> String {
    let epoch = env!("GANTRY_BUILD_EPOCH").parse().ok();
    epoch.and_then(|e| jiff::Timestamp::from_second(e).ok()).map(|t| t.to_string()).unwrap_or_default()
}

fn registry(s: &Settings) -> engine::Registry {
    engine::Registry {
        mirrors: s.list("registry-mirror"),
        insecure: s.list("insecure-registry"),
        certs_dir: PathBuf::from("/etc/docker/certs.d"),
        http_proxy: s.non_empty("http-proxy"),
        https_proxy: s.non_empty("https-proxy"),
        no_proxy: s.non_empty("no-proxy"),
        user_agent: format!(
            "docker/{} go/none git-commit/{} kernel/{} os/linux arch/{} UpstreamClient(gantry/{})",
            super::VERSION,
            super::BUILD,
            rustix::system::uname().release().to_string_lossy(),
            if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
            super::OWN_VERSION
        ),
    }
}

fn labels(s: &Settings) -> Result<Vec<String>> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for label in s.list("label") {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        if let Some(old) = seen.insert(key.to_owned(), value.to_owned())
            && old != value
        {
            bail!("conflict labels for {key}={value} and {key}={old}");
        }
    }
    Ok(seen.into_iter().map(|(k, v)| format!("{k}={v}")).collect())
}

fn ulimits(s: &Settings) -> Result<Vec<spec::Ulimit>> {
    s.list("default-ulimit")
        .iter()
        .map(|text| {
            let parsed = units::limit::Ulimit::parse(text)?;
            Ok(spec::Ulimit { name: parsed.name, soft: parsed.soft, hard: parsed.hard })
        })
        .collect()
}

fn network(s: &Settings, exec_root: PathBuf, data_root: PathBuf) -> Result<network::Config> {
    let mut config = network::Config::new(exec_root, data_root);
    match s.text("bridge").as_str() {
        "" => {}
        "none" => config.bridge = None,
        name => config.bridge = Some(name.to_owned()),
    }
    config.bip = parse(s, "bip")?;
    config.bip6 = parse(s, "bip6")?;
    config.fixed_cidr = parse(s, "fixed-cidr")?;
    config.fixed_cidr_v6 = parse(s, "fixed-cidr-v6")?;
    config.default_gateway = parse(s, "default-gateway")?;
    config.default_gateway_v6 = parse(s, "default-gateway-v6")?;
    config.ipv6 = s.on("ipv6");
    config.iptables = s.on("iptables");
    config.ip6tables = s.on("ip6tables");
    config.ip_forward = s.on("ip-forward");
    config.ip_forward_no_drop = s.on("ip-forward-no-drop");
    config.ip_masq = s.on("ip-masq");
    config.icc = s.on("icc");
    config.userland_proxy = s.on("userland-proxy");
    config.allow_direct_routing = s.on("allow-direct-routing");
    let mtu = s.number("mtu");
    config.mtu = u32::try_from(mtu).ok().context(format!("invalid default MTU: {mtu}"))?;
    config.default_bind_ip = parse(s, "ip")?.unwrap_or(config.default_bind_ip);
    config.dns = parse_list(&s.list("dns"), "dns")?;
    config.dns_search = s.list("dns-search");
    config.dns_options = s.list("dns-opt");
    let mut gateways = s.list("host-gateway-ip");
    gateways.extend(s.key("host-gateway-ip").map(str::to_owned));
    config.host_gateway_ips = parse_list(&gateways, "host-gateway-ip")?;
    config.default_address_pools =
        s.list("default-address-pool").iter().map(|p| address_pool(p)).collect::<Result<_>>()?;
    for option in s.list("default-network-opt") {
        let mut parts = option.splitn(3, '=');
        let (Some(driver), Some(key), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("invalid value: {option}: must be formatted 'driver=option=value'");
        };
        let of_driver = config.default_network_opts.entry(driver.to_owned()).or_default();
        of_driver.insert(key.to_owned(), value.to_owned());
    }
    Ok(config)
}

fn parse<T: FromStr>(s: &Settings, name: &str) -> Result<Option<T>> {
    let Some(text) = s.non_empty(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| anyhow::anyhow!("invalid {name}: {text}"))
}

fn parse_list<T: FromStr>(list: &[String], name: &str) -> Result<Vec<T>> {
    list.iter().map(|t| t.parse().map_err(|_| anyhow::anyhow!("invalid {name}: {t}"))).collect()
}

fn address_pool(text: &str) -> Result<network::AddressPool> {
    let fields = pairs(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
    let base = fields.get("base").and_then(|b| b.parse().ok());
    let size = fields.get("size").and_then(|b| b.parse().ok());
    match (base, size) {
        (Some(base), Some(size)) => Ok(network::AddressPool { base, size }),
        _ => bail!("invalid default address pool {text}: must be formatted 'base=CIDR,size=N'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::hosts::DEFAULT_HOST;
    use crate::daemon::{flags, settings};

    fn with(args: &str) -> Result<Plan, String> {
        let args: Vec<String> =
            format!("--config-file=/dev/null {args}").split_whitespace().map(str::to_owned).collect();
        let given = flags::parse(&args).expect("flags");
        let loaded = settings::load(&given).and_then(|s| plan(&s)).map_err(|e| format!("{e:#}"));
        loaded.map_err(|e| e.rsplit_once("flags failed: ").map(|(_, e)| e.to_owned()).unwrap_or(e))
    }

    #[test]
    fn the_default_is_the_usual_socket() {
        let plan = with("").expect("plans");
        assert_eq!(plan.hosts, [DEFAULT_HOST]);
        assert_eq!(plan.engine.network.bridge.as_deref(), Some("docker0"));
        assert_eq!(plan.engine.default_shm_size, 64 << 20);
        assert_eq!(plan.shutdown_timeout, 15);
    }

    #[test]
    fn plain_tcp_must_be_asked_for() {
        assert!(with("-H tcp://0.0.0.0:2375").expect_err("refused").starts_with("refusing to listen"));
        assert!(with("-H 0.0.0.0").is_err());
        assert_eq!(with("-H tcp://0.0.0.0:2375 --tls=false").expect("asked for").hosts, ["tcp://0.0.0.0:2375"]);
        let local = with("-H tcp://127.0.0.1:2375 -H unix:///a -H unix:///a").expect("on this host only");
        assert_eq!(local.hosts, ["tcp://127.0.0.1:2375", "unix:///a"]);
        assert_eq!(local.remarks.len(), 1);
    }

    #[test]
    fn wrong_values_are_refused() {
        for (args, want) in [
            ("--mtu=-1", "invalid default MTU: -1"),
            ("--label=a=1 --label=a=2", "conflict labels for a=2 and a=1"),
            ("--log-level=loud", "invalid logging level: loud"),
            ("--userns-remap=default", "--userns-remap is not supported by this engine yet"),
            ("--firewall-backend=x", "invalid firewall-backend: allowed values are \"iptables\" and \"nftables\""),
            (
                "--exec-opt=native.cgroupdriver=systemd",
                "cgroup driver \"systemd\" is not supported by this engine: use \"cgroupfs\"",
            ),
            ("--log-driver=nosuch", "failed to set log opts: logger: no log driver named 'nosuch' is registered"),
            ("--cdi-spec-dir=/etc/cdi", "--cdi-spec-dir is not supported by this engine yet"),
            ("--nri-opts=enable=true", "--nri-opts is not supported by this engine yet"),
        ] {
            assert_eq!(with(args).map(|_| ()), Err(want.to_owned()), "{args}");
        }
    }
}
