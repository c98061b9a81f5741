use std::path::PathBuf;
use std::time::Duration;

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Config {
    /// `registry-mirrors`: base URLs asked before Docker Hub (only pulls, only `docker.io`).
    pub mirrors: Vec<String>,
    /// `insecure-registries`: hosts (`name[:port]`) or networks in CIDR notation whose certificates are not checked and
    /// who may be spoken to without TLS. Loopback always is.
    pub insecure: Vec<String>,
    /// `<dir>/<host[:port]>/{*.crt,*.cert,*.key}`: authorities and client certificates by registry.
    pub certs_dir: PathBuf,
    /// Proxies.
    pub proxies: Proxies,
    /// Sent with every request.
    pub user_agent: String,
    /// How long a blob's connection may be silent before it is given up and the blob taken up again.
    pub stall_timeout: Duration,
    /// The first pause before a request is repeated; doubles each time, with jitter, up to 10 s.
    pub retry_pause: Duration,
}

impl Default for Config {
    /// Docker's directory, no mirrors, proxies from the environment.
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            insecure: Vec::new(),
            certs_dir: PathBuf::from("/etc/docker/certs.d"),
            proxies: Proxies::from_env(),
            user_agent: format!(
                "docker/29.6.0 go/none git-commit/none kernel/none os/linux arch/{} UpstreamClient(gantry/{})",
                go_arch(),
                env!("CARGO_PKG_VERSION")
            ),
            stall_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(200),
        }
    }
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Proxy settings, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` registries: `http://[user:password@]host[:port]`, or just `host:port`.
    pub http: Option<String>,
    /// For `https` registries, reached through it by CONNECT.
    pub https: Option<String>,
    /// What is reached directly: hosts, `.domains`, addresses, networks, each with an optional port; `*` is all.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// From the environment, upper case before lower case (`http_proxy` counts too, as in Go).
    pub fn from_env() -> Self {
        let get = |upper: &str| {
            [upper.to_owned(), upper.to_ascii_lowercase()]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        };
        Self { http: get("HTTP_PROXY"), https: get("HTTPS_PROXY"), no_proxy: get("NO_PROXY") }
    }
}
