//! An engine in a machine of its own.

use crate::cli::{Cli, CliKind};
use crate::http;
use crate::machine::Machine;
use crate::output::Output;
use crate::place;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The engine's socket, as programs inside the machine name it.
pub const SOCKET: &str = "/run/docker.sock";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Ours.
    Gantry,
    /// Debian's `dockerd` and `containerd` with the containerd image store (Docker 29's default).
    Docker,
    /// The same with the old graph driver store.
    DockerGraph,
    /// The first with our runtime as its default.
    DockerOnGantry,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gantry, Self::Docker, Self::DockerGraph, Self::DockerOnGantry];

    /// Its name in `UNDER_TEST` and in test files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gantry => "gantry",
            Self::Docker => "docker",
            Self::DockerGraph => "docker-graph",
            Self::DockerOnGantry => "docker-on-gantry",
        }
    }

    /// The name that test files know: whose words and ways it has.
    pub fn family(self) -> &'static str {
        match self {
            Self::DockerOnGantry => Self::Docker.name(),
            other => other.name(),
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// The one that `UNDER_TEST` names, else ours.
    pub fn from_env() -> Self {
        std::env::var("UNDER_TEST").ok().and_then(|v| Self::parse(&v)).unwrap_or(Self::Gantry)
    }
}

/// How an engine is to be started.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Which engine.
    pub kind: EngineKind,
    /// Further arguments of the daemon.
    pub args: Vec<String>,
    /// The data-root; by default `data` on the machine's disk.
    pub data_root: Option<PathBuf>,
    /// How long the daemon may take to answer its first ping.
    pub patience: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { kind: EngineKind::from_env(), args: Vec::new(), data_root: None, patience: Duration::from_secs(60) }
    }
}

impl EngineOptions {
    /// The options for one kind of engine.
    pub fn of(kind: EngineKind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// A daemon process in the machine.
#[derive(Debug)]
struct Daemon {
    nsenter: Child,
    /// The daemon itself, as the host numbers it.
    pid: u32,
}

/// A running engine. Dropped, it is killed with its machine, and its log is shown when the test panics.
#[derive(Debug)]
pub struct Engine {
    /// The machine it runs in.
    pub machine: Machine,
    options: EngineOptions,
    daemon: Option<Daemon>,
    containerd: Option<Daemon>,
}

impl Engine {
    /// Boots a machine and starts the engine that `UNDER_TEST` names in it.
    pub fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_with(name, EngineOptions::default())
    }

    /// Boots a machine and starts an engine in it.
    pub fn start_with(name: &str, options: EngineOptions) -> anyhow::Result<Self> {
        Self::start_in(Machine::boot(name)?, options)
    }

    /// Starts an engine in a machine.
    pub fn start_in(machine: Machine, options: EngineOptions) -> anyhow::Result<Self> {
        let mut engine = Self { machine, options, daemon: None, containerd: None };
        engine.up()?;
        Ok(engine)
    }

    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        self.options.kind
    }

    /// The data-root, the same path inside and outside the machine.
    pub fn data_root(&self) -> PathBuf {
        self.options.data_root.clone().unwrap_or_else(|| self.machine.dir().join("data"))
    }

    /// The daemon, as the host numbers it.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.daemon.as_ref().context("the daemon is not running")?.pid)
    }

    /// Starts the daemon, which must not be running, and waits until it answers.
    pub fn up(&mut self) -> anyhow::Result<()> {
        if self.daemon.is_some() {
            bail!("the daemon runs already");
        }
        let argv = match self.options.kind {
            EngineKind::Gantry => self.gantry_argv()?,
            EngineKind::Docker | EngineKind::DockerGraph | EngineKind::DockerOnGantry => {
                self.containerd_up()?;
                self.dockerd_argv()?
            }
        };
        self.daemon = Some(self.spawn(&argv, "daemon")?);
        self.wait_ready()
    }

    fn common_args(&self) -> Vec<String> {
        let data = self.data_root().display().to_string();
        let config = self.machine.dir().join("daemon.json").display().to_string();
        let mut args: Vec<String> =
            ["--config-file", &config, "--data-root", &data, "--exec-root", "/run/docker"].map(str::to_owned).into();
        args.extend(["-p", "/run/docker.pid", "-H"].map(str::to_owned));
        args.push(format!("unix://{SOCKET}"));
        args
    }

    fn gantry_argv(&self) -> anyhow::Result<Vec<String>> {
        self.write_config()?;
        let mut argv = vec![place::gantry()?.display().to_string(), "daemon".to_owned()];
        argv.extend(self.common_args());
        argv.extend(self.options.args.iter().cloned());
        Ok(argv)
    }

    fn dockerd_argv(&self) -> anyhow::Result<Vec<String>> {
        self.write_config()?;
        let mut argv = vec![place::peer("docker/usr/sbin/dockerd")?.display().to_string()];
        argv.extend(self.common_args());
        argv.extend(["--containerd", "/run/containerd.sock"].map(str::to_owned));
        if self.options.kind != EngineKind::DockerGraph {
            argv.push("--feature=containerd-snapshotter=true".to_owned());
        }
        if self.options.kind == EngineKind::DockerOnGantry {
            let runtime = place::built("gantry-shim")?;
            argv.extend([format!("--add-runtime=gantry={}", runtime.display()), "--default-runtime=gantry".to_owned()]);
        }
        argv.extend(self.options.args.iter().cloned());
        Ok(argv)
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let path = self.machine.dir().join("daemon.json");
        if !path.exists() {
            fs::write(path, "{}\n")?;
        }
        Ok(())
    }

    fn containerd_up(&mut self) -> anyhow::Result<()> {
        if self.containerd.is_some() {
            return Ok(());
        }
        let root = self.machine.dir().join("containerd");
        let config = self.machine.dir().join("containerd.toml");
        fs::write(
            &config,
            format!(
                "version = 3\nroot = \"{}\"\nstate = \"/run/containerd\"\n\
                 disabled_plugins = [\"io.containerd.cri.v1.images\",\"io.containerd.cri.v1.runtime\",\"io.containerd.grpc.v1.cri\"]\n\
                 [grpc]\n  address = \"/run/containerd.sock\"\n",
                root.display()
            ),
        )?;
        let program = place::peer("docker/usr/bin/containerd")?.display().to_string();
        let argv = [program, "-c".to_owned(), config.display().to_string()];
        self.containerd = Some(self.spawn(&argv, "containerd")?);
        let socket = self.machine.outside("/run/containerd.sock")?;
        let deadline = Instant::now() + self.options.patience;
        while !socket.exists() {
            if Instant::now() > deadline {
                bail!("containerd did not come up:\n{}", self.log_of("containerd"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn spawn(&self, argv: &[String], name: &str) -> anyhow::Result<Daemon> {
        let log = fs::File::options().create(true).append(true).open(self.log_path(name))?;
        let mut command = self.machine.command(&argv[0])?;
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if self.options.kind != EngineKind::Gantry {
            let d = place::peers().join("docker/usr");
            let path = format!("{0}/sbin:{0}/bin:/usr/sbin:/usr/bin:/sbin:/bin", d.display());
            command.env("PATH", path);
        }
        let nsenter = command.spawn().with_context(|| format!("starting {}", argv[0]))?;
        let pid = only_child(nsenter.id())?;
        Ok(Daemon { nsenter, pid })
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.options.patience;
        loop {
            if self.api()?.get("/_ping").is_ok_and(|r| r.status == 200) {
                return Ok(());
            }
            let daemon = self.daemon.as_mut().context("the daemon is not running")?;
            if let Some(status) = daemon.nsenter.try_wait()? {
                self.daemon = None;
                bail!("the daemon ended at once ({status}):\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the daemon does not answer:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGTERM to the daemon; waits until it has ended and returns its exit code.
    pub fn stop(&mut self) -> anyhow::Result<i32> {
        self.end("TERM")
    }

    /// SIGKILL to the daemon (containers go on); waits until it has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.end("KILL").map(drop)
    }

    /// A signal to the daemon by name (`HUP`, `STOP`, …), which is expected to live.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(self.pid()?, name)
    }

    fn end(&mut self, name: &str) -> anyhow::Result<i32> {
        let mut daemon = self.daemon.take().context("the daemon is not running")?;
        signal(daemon.pid, name)?;
        Ok(crate::machine::exit_code(daemon.nsenter.wait()?))
    }

    /// Waits until the daemon has ended by itself; `None` when it has not in time.
    pub fn wait_end(&mut self, limit: Duration) -> anyhow::Result<Option<i32>> {
        let deadline = Instant::now() + limit;
        let daemon = self.daemon.as_mut().context("the daemon is not running")?;
        loop {
            if let Some(status) = daemon.nsenter.try_wait()? {
                self.daemon = None;
                return Ok(Some(crate::machine::exit_code(status)));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything is killed at once and `/run` forgotten; then the machine boots, the daemon not yet.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        self.machine.power_off();
        for mut daemon in [self.daemon.take(), self.containerd.take()].into_iter().flatten() {
            let _ = daemon.nsenter.wait();
        }
        self.machine.reboot()
    }

    /// The API below any client library.
    pub fn api(&self) -> anyhow::Result<http::Client> {
        Ok(http::Client::new(self.machine.outside(SOCKET)?))
    }

    /// A command line for this engine.
    pub fn cli(&self, kind: CliKind) -> anyhow::Result<Cli> {
        let bin = self.machine.dir().join("bin").join(kind.name());
        fs::create_dir_all(&bin)?;
        let link = bin.join("docker");
        if fs::symlink_metadata(&link).is_err() {
            symlink(kind.program()?, &link)?;
        }
        Ok(Cli { kind, bin })
    }

    /// Runs a bash script inside the machine in which `docker` is the given command line and talks to this engine.
    pub fn run(&self, cli: &Cli, script: &str) -> anyhow::Result<Output> {
        self.run_for(cli, script, crate::machine::DEFAULT_TIMEOUT, &[])
    }

    /// The same with a time limit and further environment.
    pub fn run_for(
        &self,
        cli: &Cli,
        script: &str,
        limit: Duration,
        env: &[(String, String)],
    ) -> anyhow::Result<Output> {
        let mut all = self.cli_environment(cli);
        all.extend(env.iter().cloned());
        self.machine.sh_for(script, limit, &all)
    }

    /// The environment that makes `docker` mean this command line and this engine.
    pub fn cli_environment(&self, cli: &Cli) -> Vec<(String, String)> {
        let mut env = self.machine.environment();
        for (key, value) in &mut env {
            if key == "PATH" {
                *value = format!("{}:{value}", cli.bin.display());
            }
        }
        env.push(("DOCKER_HOST".to_owned(), format!("unix://{SOCKET}")));
        env
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.machine.dir().join("log").join(format!("{name}.log"))
    }

    fn log_of(&self, name: &str) -> String {
        fs::read_to_string(self.log_path(name)).unwrap_or_default()
    }

    /// All that the daemon has logged.
    pub fn log(&self) -> String {
        self.log_of("daemon")
    }

    /// The last lines of the daemon's log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Loads an image archive through the API.
    pub fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let body = fs::read(archive).with_context(|| format!("reading {}", archive.display()))?;
        let reply = self.api()?.send("POST", "/images/load", &[("Content-Type", "application/x-tar")], &body)?;
        if reply.status != 200 || reply.text().contains("\"errorDetail\"") {
            bail!("load of {}: {} {}", archive.display(), reply.status, reply.text());
        }
        Ok(())
    }
}

impl Drop for Engine {
    #[expect(clippy::print_stderr, reason = "a failed test shows the daemon's log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- end of {}'s log ({}):\n{}",
                self.kind().name(),
                self.log_path("daemon").display(),
                self.log_tail(60)
            );
        }
        self.machine.power_off();
        for mut daemon in [self.daemon.take(), self.containerd.take()].into_iter().flatten() {
            let _ = daemon.nsenter.wait();
        }
    }
}

/// Sends a signal by name to a process of the host.
pub fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match name {
        "KILL" => Signal::KILL,
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => bail!("unknown signal {name}"),
    };
    let pid = Pid::from_raw(pid.try_into()?).context("process id 0")?;
    kill_process(pid, signal).with_context(|| format!("SIG{name} to {pid:?}"))
}

/// The only child of a process: `nsenter` into a process namespace forks once.
pub fn only_child(parent: u32) -> anyhow::Result<u32> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
        if Instant::now() > deadline {
            bail!("process {parent} has no child");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
