//! A machine made of namespaces.
//!
//! Processes, network, mounts, host name, IPC and cgroups are its own, and so is `/run`. Its process 1
//! reaps orphans, as any init does. When it ends (dropped, rebooted, or the test process dies) the kernel
//! kills everything in it, and its mounts, links and rules go with it. The file system is the host's:
//! the machine's disk is the directory [`Machine::dir`], which outlives a reboot.

use crate::output::Output;
use crate::place;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a command may take when its caller says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A machine of its own.
#[derive(Debug)]
pub struct Machine {
    name: String,
    dir: PathBuf,
    holder: Option<Holder>,
    keep: bool,
}

/// The process that holds the namespaces.
#[derive(Debug)]
struct Holder {
    unshare: Child,
    /// Closing this ends the machine.
    stdin: Option<ChildStdin>,
    /// Process 1 of the machine, as the host numbers it.
    init: u32,
}

impl Machine {
    /// Boots a machine. `name` is for people; the real name is unique on the host.
    pub fn boot(name: &str) -> anyhow::Result<Self> {
        sweep()?;
        let name = format!("gt{}-{}-{name}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let dir = place::test_dir().join(&name);
        for sub in ["bin", "home", "out", "tmp", "log"] {
            fs::create_dir_all(dir.join(sub)).with_context(|| format!("creating {}", dir.display()))?;
        }
        let mut machine = Self { name, dir, holder: None, keep: std::env::var_os("GANTRY_TEST_KEEP").is_some() };
        machine.power_on()?;
        Ok(machine)
    }

    /// The name, also the host name inside.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The machine's disk: the same path inside and outside.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Process 1 of the machine, as the host numbers it.
    pub fn init(&self) -> anyhow::Result<u32> {
        Ok(self.holder.as_ref().context("the machine is off")?.init)
    }

    /// The host's path of a path inside the machine.
    pub fn outside(&self, path: &str) -> anyhow::Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root/{}", self.init()?, path.trim_start_matches('/'))))
    }

    /// A command that will run inside, with the machine's `bin` first in `PATH`, and nothing else of our environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> anyhow::Result<Command> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init()?.to_string(), "-m", "-n", "-p", "-u", "-i", "-C", "--"]).arg(program);
        command.env_clear().envs(self.environment()).current_dir(&self.dir);
        Ok(command)
    }

    /// What [`Machine::command`] gives its commands as environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let dir = self.dir.display();
        [
            ("PATH", format!("{dir}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
            ("HOME", format!("{dir}/home")),
            ("TMPDIR", format!("{dir}/tmp")),
            ("DOCKER_CLI_HINTS", "false".to_owned()),
            ("LC_ALL", "C".to_owned()),
            ("TERM", "xterm".to_owned()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
    }

    /// Runs a bash script inside and waits for it. Background processes of the script may live on.
    pub fn sh(&self, script: &str) -> anyhow::Result<Output> {
        self.sh_for(script, DEFAULT_TIMEOUT, &[])
    }

    /// The same with a time limit and further environment.
    pub fn sh_for(&self, script: &str, limit: Duration, env: &[(String, String)]) -> anyhow::Result<Output> {
        static OUT: AtomicU32 = AtomicU32::new(0);
        let n = OUT.fetch_add(1, Ordering::Relaxed);
        // Files, not pipes: a background child that holds its standard output must not keep us waiting.
        let (out, err) = (self.dir.join(format!("out/{n}.out")), self.dir.join(format!("out/{n}.err")));
        let mut command = self.command("timeout")?;
        command.args(["-s", "KILL", &limit.as_secs_f64().to_string(), "bash", "-c", script]);
        command.envs(env.iter().cloned());
        command.stdin(Stdio::null()).stdout(fs::File::create(&out)?).stderr(fs::File::create(&err)?);
        let started = Instant::now();
        let status = command.status().context("nsenter (package util-linux)")?;
        let took = started.elapsed();
        let read = |path: &Path| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
        let output = Output {
            command: script.to_owned(),
            code: exit_code(status),
            stdout: read(&out)?,
            stderr: read(&err)?,
            took,
            timed_out: took >= limit,
        };
        let _ = fs::remove_file(&out);
        let _ = fs::remove_file(&err);
        Ok(output)
    }

    /// A listener on the machine's network (not the host's), for servers of the test process itself. It ends with the
    /// machine's network, at the next reboot.
    pub fn listen(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let space = fs::File::open(format!("/proc/{}/ns/net", self.init()?))?;
        // Only a thread of its own may go there: the network of the test's own threads stays what it is.
        let listener = std::thread::spawn(move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(space.as_fd(), Some(kind))?;
            TcpListener::bind(address)
        });
        let listener = listener.join().map_err(|_| anyhow::anyhow!("the thread that listens"))?;
        listener.with_context(|| format!("listening on {address}"))
    }

    /// Kills everything at once, forgets `/run`, the network and the mounts, and boots again on the same disk.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        self.power_off();
        self.power_on()
    }

    /// Kills everything at once.
    pub fn power_off(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            drop(holder.stdin.take());
            let _ = holder.unshare.wait();
            remove_cgroups(&self.name);
        }
    }

    fn power_on(&mut self) -> anyhow::Result<()> {
        let script = self.dir.join("boot.sh");
        fs::write(&script, include_str!("machine/boot.sh"))?;
        let mut unshare = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "--pid",
                "--uts",
                "--ipc",
                "--fork",
                "--propagation",
                "private",
                "--mount-proc",
                "bash",
            ])
            .arg(&script)
            .arg(&self.name)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.dir.join("log/boot.log"))?)
            .spawn()
            .context("unshare (package util-linux)")?;
        let stdin = unshare.stdin.take();
        let mut line = String::new();
        let stdout = unshare.stdout.take().context("standard output of unshare")?;
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() != "booted" {
            let _ = unshare.wait();
            let log = fs::read_to_string(self.dir.join("log/boot.log")).unwrap_or_default();
            bail!("the machine did not boot (root is needed): {log}");
        }
        let id = unshare.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let init = children.split_whitespace().next().context("unshare has no child")?.parse()?;
        self.holder = Some(Holder { unshare, stdin, init });
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_off();
        if self.keep || std::thread::panicking() {
            return;
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Exit code of a finished process: 128 + signal when a signal ended it.
pub fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Mount points of the host's cgroup hierarchies.
fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_cgroup = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    table.lines().filter(is_cgroup).filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

/// Removes a machine's cgroups, deepest first; its processes are dying, so try for a while.
fn remove_cgroups(name: &str) {
    fn remove(dir: &Path) -> bool {
        let Ok(entries) = fs::read_dir(dir) else { return true };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                remove(&entry.path());
            }
        }
        fs::remove_dir(dir).is_ok()
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while !hierarchies().iter().all(|h| remove(&h.join(name))) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes what test processes that died long ago left: their machines' disks and cgroups.
fn sweep() -> anyhow::Result<()> {
    let dir = place::test_dir();
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    for entry in fs::read_dir(&dir)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("gt").and_then(|rest| rest.split('-').next()) else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        let old = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if !Path::new(&format!("/proc/{pid}")).exists() && old.is_some_and(|age| age > Duration::from_secs(3600)) {
            remove_cgroups(&name);
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
