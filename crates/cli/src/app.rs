//! What all commands share: global flags, the configuration, the context, the client.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use client::{Client, Options, TlsFiles};
use serde_json::Value;

use crate::config::{Config, directory};
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::table::Command;

/// The version of Docker's command line that this one equals.
pub const VERSION: &str = "29.8.0";
/// What stands where Docker prints a commit.
pub(crate) const BUILD: &str = concat!("gantry-", env!("CARGO_PKG_VERSION"));

/// One run of the program.
#[derive(Debug)]
pub(crate) struct App {
    globals: Matches,
    pub(crate) config: Config,
    client: OnceLock<Arc<Client>>,
}

/// A way to reach an engine, with a name.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) host: String,
    /// The stored document; `Null` for the default context.
    pub(crate) meta: Value,
    pub(crate) tls_dir: Option<PathBuf>,
}

impl App {
    pub(crate) fn new(globals: Matches) -> Self {
        let config = Config::load(directory(globals.get("config")));
        Self { globals, config, client: OnceLock::new() }
    }

    /// Whether `--debug` was given.
    pub(crate) fn debug(&self) -> bool {
        self.globals.on("debug") || env("DEBUG").is_some()
    }

    /// The engine's client, prepared at first need.
    pub(crate) fn client(&self) -> Result<&Arc<Client>> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let context = self.context()?;
        let options = Options {
            tls: self.tls(&context),
            host: context.host,
            api_version: env("DOCKER_API_VERSION"),
            headers: self.config.http_headers(),
            user_agent: format!("Docker-Client/{VERSION} (linux)"),
        };
        let client = Arc::new(Client::new(options)?);
        Ok(self.client.get_or_init(|| client))
    }

    /// Refuses a command that the engine is too old for, or has not switched on. Without an engine, the command
    /// itself says so later.
    pub(crate) fn check_command(&self, command: &Command) -> Result<()> {
        if matches!(command.canonical.split(' ').next(), Some("context" | "completion")) {
            return Ok(());
        }
        for part in command.lineage() {
            self.check_feature(&command.full_path(), part.since, part.engine_experiment)?;
        }
        Ok(())
    }

    /// The same for the flags that were given.
    pub(crate) fn check_flags(&self, matches: &Matches) -> Result<()> {
        for flag in matches.command.flags().filter(|f| matches.given(f.name)) {
            let shown = format!("\"--{}\"", flag.name);
            let daemon_feature = matches!(flag.name, "checkpoint" | "checkpoint-dir" | "squash");
            self.check_feature(&shown, flag.since, flag.experimental && daemon_feature)?;
        }
        Ok(())
    }

    fn check_feature(&self, name: &str, since: &str, experimental: bool) -> Result<()> {
        if since.is_empty() && !experimental {
            return Ok(());
        }
        let client = self.client()?;
        let Ok(version) = client.api_version() else { return Ok(()) };
        if !since.is_empty() && !client.at_least(since)? {
            return Err(Failure::new(format!(
                "{name} requires API version {since}, but the Docker daemon API version is {version}"
            )));
        }
        if experimental && !client.ping()?.experimental {
            return Err(Failure::new(format!(
                "{name} is only supported on a Docker daemon with experimental features enabled"
            )));
        }
        Ok(())
    }

    /// The name of the context in use.
    pub(crate) fn context_name(&self) -> String {
        if self.globals.given("host") {
            return "default".to_owned();
        }
        if let Some(name) = self.globals.get("context").filter(|n| !n.is_empty()) {
            return name.to_owned();
        }
        if env("DOCKER_HOST").is_some() {
            return "default".to_owned();
        }
        let configured = self.config.text("currentContext");
        env("DOCKER_CONTEXT")
            .unwrap_or_else(|| if configured.is_empty() { "default".to_owned() } else { configured.to_owned() })
    }

    /// The context in use.
    pub(crate) fn context(&self) -> Result<Context> {
        if self.globals.given("host") && self.globals.get("context").is_some_and(|c| !c.is_empty()) {
            return Err(Failure::new("conflicting options: cannot specify both --host and --context"));
        }
        self.context_named(&self.context_name())
    }

    /// A context by name.
    pub(crate) fn context_named(&self, name: &str) -> Result<Context> {
        if name == "default" {
            let flag = self.globals.get("host").map(str::to_owned);
            let host = flag.or_else(|| env("DOCKER_HOST")).unwrap_or_else(|| client::DEFAULT_HOST.to_owned());
            return Ok(Context { name: name.to_owned(), host: normal_host(&host), meta: Value::Null, tls_dir: None });
        }
        let found = self.contexts().into_iter().find(|c| c.name == name);
        found.ok_or_else(|| {
            Failure::new(format!(
                "context {}: context not found: open {}: no such file or directory",
                units::gofmt::quote(name),
                self.meta_dir().display()
            ))
        })
    }

    fn meta_dir(&self) -> PathBuf {
        self.config.dir.join("contexts/meta")
    }

    /// All stored contexts, by name.
    pub(crate) fn contexts(&self) -> Vec<Context> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.meta_dir()).into_iter().flatten().flatten() {
            let Ok(text) = fs::read(entry.path().join("meta.json")) else { continue };
            let Ok(meta) = serde_json::from_slice::<Value>(&text) else { continue };
            let Some(name) = meta["Name"].as_str() else { continue };
            let host = meta["Endpoints"]["docker"]["Host"].as_str().unwrap_or_default().to_owned();
            let tls = self.config.dir.join("contexts/tls").join(entry.file_name()).join("docker");
            found.push(Context { name: name.to_owned(), host, tls_dir: tls.is_dir().then_some(tls), meta });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn tls(&self, context: &Context) -> Option<TlsFiles> {
        if let Some(dir) = &context.tls_dir {
            let file = |name: &str| Some(dir.join(name)).filter(|p| p.exists());
            let skip = context.meta["Endpoints"]["docker"]["SkipTLSVerify"] == Value::Bool(true);
            return Some(TlsFiles { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem"), verify: !skip });
        }
        if context.name != "default" {
            return None;
        }
        let verify = if self.globals.given("tlsverify") {
            self.globals.on("tlsverify")
        } else {
            env("DOCKER_TLS_VERIFY").is_some()
        };
        let wanted = verify || self.globals.given("tlsverify") || self.globals.on("tls") || env("DOCKER_TLS").is_some();
        if !wanted {
            return None;
        }
        let dir = env("DOCKER_CERT_PATH").map_or_else(|| self.config.dir.clone(), PathBuf::from);
        let file = |flag: &str, name: &str| match self.globals.get(flag) {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(dir.join(name)).filter(|p| p.exists()),
        };
        Some(TlsFiles {
            ca: file("tlscacert", "ca.pem"),
            cert: file("tlscert", "cert.pem"),
            key: file("tlskey", "key.pem"),
            verify,
        })
    }
}

/// A variable of the environment, unless it is empty.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// What the user may leave out of an address.
fn normal_host(host: &str) -> String {
    let host = host.trim();
    if host.is_empty() {
        client::DEFAULT_HOST.to_owned()
    } else if host.contains("://") {
        host.to_owned()
    } else if let Some(port) = host.strip_prefix(':') {
        format!("tcp://localhost:{port}")
    } else {
        format!("tcp://{host}")
    }
}
