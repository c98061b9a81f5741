//! What the settings mean, checked: a value that [`super::run`] executes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use api::http::TlsFiles;

use super::journal::{Format, Level};
use super::settings::Settings;
use super::table::Use;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const DEFAULT_TLS_HOST: &str = "tcp://localhost:2376";

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
    pub(super) api: api::Daemon,
    /// The engine's set-up; where the shim lies is filled in when it is laid down.
    pub(super) engine: engine::Config,
    /// Things to log once the log is there.
    pub(super) remarks: Vec<(Level, String)>,
}

/// Checks the settings.
pub(super) fn plan(s: &Settings) -> Result<Plan> {
    let missing = s.idle(Use::Missing);
    // Booleans that are set to false ask for nothing.
    if let Some(name) = missing.into_iter().find(|n| !matches!(s.text(n).as_str(), "false" | "")) {
        bail!("--{name} is not supported by this engine yet");
    }
    let log = (Level::parse(&s.text("log-level"))?, Format::parse(&s.text("log-format"))?);
    let debug = s.on("debug");
    let data_root = absolute(s, "data-root")?;
    let exec_root = absolute(s, "exec-root")?;
    let tls_wanted = s.on("tls") || s.is_set("tlsverify");
    let tls = tls_wanted.then(|| tls(s)).transpose()?;
    let mut remarks = remarks(s);
    let hosts = hosts(s, tls.as_ref(), &mut remarks)?;
    Ok(Plan {
        log: (if debug { Level::Debug } else { log.0 }, log.1),
        debug,
        pidfile: s.non_empty("pidfile").map(PathBuf::from),
        group: s.text("group"),
        tls,
        shutdown_timeout: u64::try_from(s.number("shutdown-timeout")).unwrap_or(u64::MAX),
        api: daemon_facts(s)?,
        engine: engine_config(s, &data_root, &exec_root, &hosts)?,
        hosts,
        remarks,
        data_root,
        exec_root,
    })
}

fn engine_config(s: &Settings, data_root: &Path, exec_root: &Path, hosts: &[String]) -> Result<engine::Config> {
    Ok(engine::Config {
        data_root: data_root.to_owned(),
        exec_root: exec_root.to_owned(),
        shim: PathBuf::new(),
        network: network(s, exec_root.to_owned(), data_root.to_owned())?,
        registry: registry(s)?,
        labels: labels(s)?,
        init: s.on("init"),
        live_restore: s.on("live-restore"),
        shutdown_timeout: u64::try_from(s.number("shutdown-timeout")).unwrap_or(u64::MAX),
        log_driver: s.text("log-driver"),
        log_opts: pairs(&s.list("log-opt")),
        cgroup_parent: s.text("cgroup-parent"),
        default_shm_size: units::size::ram_in_bytes(&s.text("default-shm-size"))?,
        default_ulimits: ulimits(s)?,
        debug: s.on("debug"),
        seccomp_profile: Some(s.text("seccomp-profile")).filter(|p| p != "builtin").unwrap_or_default(),
        no_new_privileges: s.on("no-new-privileges"),
        max_concurrent_downloads: positive(s, "max-concurrent-downloads", "max concurrent downloads")?,
        hosts: hosts.to_vec(),
    })
}

fn absolute(s: &Settings, name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(s.text(name));
    ensure!(path.is_absolute(), "{name} must be an absolute path: {}", path.display());
    Ok(path)
}

fn positive(s: &Settings, name: &str, what: &str) -> Result<usize> {
    let n = s.number(name);
    usize::try_from(n).ok().context(format!("invalid {what}: {n}"))
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn remarks(s: &Settings) -> Vec<(Level, String)> {
    let inert = s.idle(Use::Inert).into_iter();
    let inert = inert.map(|n| (Level::Debug, format!("--{n} has no meaning for this engine and is ignored")));
    let later = s.idle(Use::Later).into_iter();
    let later = later.map(|n| (Level::Warn, format!("--{n} is not supported by this engine yet and is ignored")));
    let mut all: Vec<_> = inert.chain(later).collect();
    let driver = s.text("storage-driver");
    if !matches!(driver.as_str(), "" | "overlay2" | "overlayfs" | "overlay") {
        all.push((Level::Warn, format!("storage driver {driver} is not supported: using overlayfs")));
    }
    let runtime = s.text("default-runtime");
    if !matches!(runtime.as_str(), "runc" | "io.containerd.runc.v2") {
        all.push((Level::Warn, format!("runtime {runtime} is not supported: using the built-in one")));
    }
    all
}

fn tls(s: &Settings) -> Result<TlsFiles> {
    let home = std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| {
        let config = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
    });
    let file = |flag: &str, default: &str| -> Result<PathBuf> {
        let path = s.non_empty(flag).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(default)));
        path.with_context(|| format!("invalid TLS configuration: --{flag} is not set"))
    };
    // As dockerd: TLS verifies clients unless told not to.
    let verify = if s.is_set("tlsverify") { s.on("tlsverify") } else { true };
    Ok(TlsFiles {
        cert: file("tlscert", "cert.pem")?,
        key: file("tlskey", "key.pem")?,
        client_ca: verify.then(|| file("tlscacert", "ca.pem")).transpose()?,
    })
}

/// Where to listen. Plain TCP gives root to whoever reaches it, so beyond this host it must be asked for in so many
/// words (`--tls=false` or `--tlsverify=false`), as dockerd has announced.
fn hosts(s: &Settings, tls: Option<&TlsFiles>, remarks: &mut Vec<(Level, String)>) -> Result<Vec<String>> {
    let mut hosts: Vec<String> = s.list("host").iter().map(|h| h.trim().to_owned()).filter(|h| !h.is_empty()).collect();
    if hosts.is_empty() {
        hosts.push(if tls.is_some() { DEFAULT_TLS_HOST } else { DEFAULT_HOST }.to_owned());
    }
    let mut hosts = hosts.iter().map(|h| normal_host(h)).collect::<Result<Vec<_>>>()?;
    hosts.sort();
    hosts.dedup();
    for host in &hosts {
        let Some(address) = host.strip_prefix("tcp://") else { continue };
        if tls.is_some_and(|t| t.client_ca.is_some()) {
            continue;
        }
        let name = address.rsplit_once(':').map_or(address, |(h, _)| h);
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let local = name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        let explicit = (s.is_set("tls") && !s.on("tls")) || (s.is_set("tlsverify") && !s.on("tlsverify"));
        ensure!(
            local || explicit,
            "refusing to listen on {host} without --tlsverify: this gives root access on this machine to everyone who \
             has access to your network. You can override this by explicitly specifying '--tls=false' or \
             '--tlsverify=false'"
        );
        remarks.push((
            Level::Warn,
            format!(
                "Binding to IP address without --tlsverify is insecure and gives root access on this machine to \
                 everyone who has access to your network. host={host}"
            ),
        ));
    }
    Ok(hosts)
}

fn normal_host(host: &str) -> Result<String> {
    let Some((protocol, address)) = host.split_once("://") else {
        // A bare address is TCP.
        return normal_host(&format!("tcp://{host}"));
    };
    match (protocol, address) {
        ("unix", "") => Ok(DEFAULT_HOST.to_owned()),
        ("unix", path) => {
            ensure!(path.starts_with('/'), "invalid bind address: unix socket path must be absolute: {path}");
            Ok(host.to_owned())
        }
        ("fd", _) => Ok(host.to_owned()),
        ("tcp", "") => Ok("tcp://localhost:2375".to_owned()),
        ("tcp", address) if address.rsplit_once(':').is_none_or(|(_, p)| p.contains(']')) => {
            Ok(format!("tcp://{address}:2375"))
        }
        ("tcp", _) => Ok(host.to_owned()),
        _ => bail!("invalid bind address (invalid bind address format: {host})"),
    }
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
        build_time: String::new(),
        compiler: String::new(),
        experimental: s.on("experimental"),
        min_api,
        http_proxy: s.text("http-proxy"),
        https_proxy: s.text("https-proxy"),
        no_proxy: s.text("no-proxy"),
        embedded_image: super::embedded::hello_image(),
    })
}

fn registry(s: &Settings) -> Result<engine::Registry> {
    for mirror in s.list("registry-mirror") {
        ensure!(
            mirror.starts_with("http://") || mirror.starts_with("https://"),
            "invalid mirror: no scheme specified for {mirror:?}: must use either 'https://' or 'http://'"
        );
    }
    Ok(engine::Registry {
        mirrors: s.list("registry-mirror"),
        insecure: s.list("insecure-registry"),
        certs_dir: PathBuf::from("/etc/docker/certs.d"),
    })
}

fn labels(s: &Settings) -> Result<Vec<String>> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for label in s.list("label") {
        units::env::validate_label(&label)?;
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
    let backend = s.text("firewall-backend");
    ensure!(
        matches!(backend.as_str(), "" | "iptables" | "nftables"),
        "invalid firewall-backend: allowed values are \"iptables\" and \"nftables\""
    );
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
    use crate::daemon::{flags, settings};

    fn with(args: &str) -> Result<Plan, String> {
        let args: Vec<String> =
            format!("--config-file=/dev/null {args}").split_whitespace().map(str::to_owned).collect();
        let given = flags::parse(&args).expect("flags");
        let settings = settings::load(&given).expect("file");
        plan(&settings).map_err(|e| format!("{e:#}"))
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
            ("--dns=x", "invalid dns: x"),
        ] {
            assert_eq!(with(args).map(|_| ()), Err(want.to_owned()), "{args}");
        }
    }
}
