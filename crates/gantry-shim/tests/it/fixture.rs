//! A launcher, and containers made from busybox, without a daemon.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oci::runtime::{Process, Spec};
use rustix::event::{PollFd, PollFlags};
use serde_json::json;
use shim_proto::{
    AttachSpec, CgroupPlan, Conn, Event, ExecSpec, ExitRecord, FromShim, Hello, Launcher, LogFile, LogPlan, Reply,
    Request, Rootfs, ShimPlan, StartError, StdioPlan, ToShim, VERSION,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A launcher with a directory of its own.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) launcher: Launcher,
    _parent: Parent,
}

/// The program under test: another than the one just built when `GANTRY_SHIM` says so.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("GANTRY_SHIM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_gantry-shim")), PathBuf::from)
}

fn make_rootfs(at: &Path) {
    for dir in ["bin", "etc", "tmp", "root", "dev", "proc", "sys", "home/user"] {
        fs::create_dir_all(at.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", at.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "true", "false", "cat", "echo", "sleep", "id", "ls", "stty", "tty", "ps", "kill", "head", "dd", "pwd",
        "env", "hostname", "mount", "grep", "stat", "readlink", "yes", "wc", "touch", "mkdir", "mknod", "tr", "chmod",
        "umask", "trap",
    ] {
        symlink("busybox", at.join("bin").join(applet)).unwrap();
    }
    fs::write(at.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n").unwrap();
    fs::write(at.join("bin/garbage"), "garbage").unwrap();
    fs::write(at.join("bin/noexec"), "x").unwrap();
    rustix::fs::chmod(at.join("bin/garbage"), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
}

/// The cgroup that holds those of all containers; the last one to go takes it along.
pub(crate) struct Parent;

impl Drop for Parent {
    fn drop(&mut self) {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
        for hierarchy in hierarchies.chain([root.to_owned()]) {
            // Not there, or in use by another test.
            let _ = fs::remove_dir(hierarchy.join("gantry-shim-it"));
        }
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let dir = tempfile::Builder::new().prefix("gantry-shim-it-").tempdir().unwrap();
        make_rootfs(&dir.path().join("lower"));
        let launcher = Launcher::spawn(&binary()).unwrap();
        Self { dir, launcher, _parent: Parent }
    }

    /// A plan that runs `args`, with Docker's usual mounts.
    pub(crate) fn plan(&self, args: &[&str]) -> ShimPlan {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}{number:08x}", std::process::id());
        let home = self.dir.path().join(&id);
        for dir in ["upper", "work"] {
            fs::create_dir_all(home.join(dir)).unwrap();
        }
        ShimPlan {
            run_dir: self.dir.path().join("run").join(&id),
            exit_file: home.join("exit.json"),
            spec: spec(args),
            rootfs: Rootfs::Overlay {
                lower: vec![self.dir.path().join("lower")],
                upper: home.join("upper"),
                work: home.join("work"),
                volatile: false,
            },
            netns: None,
            stdio: StdioPlan::default(),
            log: LogPlan::JsonFile(LogFile { path: home.join("log"), max_size: None, max_file: 1, attrs: None }),
            cgroup: CgroupPlan { path: format!("/gantry-shim-it/{id}") },
            init: None,
            runtime: None,
            id,
        }
    }

    pub(crate) fn launch(&mut self, plan: &ShimPlan) -> Container {
        let (shim_pid, conn) = self.launcher.launch(plan).unwrap();
        let mut container = Container::new(conn, shim_pid, plan);
        container.hello();
        container
    }

    /// Launches and starts.
    pub(crate) fn start(&mut self, plan: &ShimPlan) -> Container {
        let mut container = self.launch(plan);
        container.start().unwrap();
        container
    }

    /// Runs to the end and gives record, output and errors.
    pub(crate) fn run(&mut self, args: &[&str]) -> (ExitRecord, String, String) {
        let plan = self.plan(args);
        self.run_plan(&plan)
    }

    pub(crate) fn run_plan(&mut self, plan: &ShimPlan) -> (ExitRecord, String, String) {
        let mut container = self.launch(plan);
        let stream = container.attach(None, false);
        container.start().unwrap();
        let (out, err) = if plan.stdio.tty { (read_all(stream), Vec::new()) } else { demux(&read_all(stream)) };
        let record = container.wait();
        container.delete();
        (record, String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
    }

    pub(crate) fn start_error(&mut self, plan: &ShimPlan) -> StartError {
        let mut container = self.launch(plan);
        let error = container.start().unwrap_err();
        container.delete();
        container.assert_gone();
        error
    }
}

pub(crate) fn spec(args: &[&str]) -> Spec {
    let caps = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ];
    serde_json::from_value(json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0, "additionalGids": [0, 10]},
            "args": args,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "oomScoreAdj": 0,
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}],
        },
        "root": {"path": "rootfs"},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["ro", "nosuid", "noexec", "nodev"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]},
        ],
        "linux": {
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"},
            "namespaces": [
                {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"},
            ],
            "resources": {"pids": {"limit": 100}},
            "maskedPaths": ["/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                "/sys/devices/virtual/powercap"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }))
    .unwrap()
}

pub(crate) fn process(args: &[&str]) -> Process {
    spec(args).process.unwrap()
}

/// One shim, seen over one connection.
pub(crate) struct Container {
    pub(crate) conn: Conn,
    pub(crate) shim_pid: i32,
    pub(crate) id: String,
    pub(crate) run_dir: PathBuf,
    pub(crate) exit_file: PathBuf,
    pub(crate) log: PathBuf,
    cgroup: String,
    tag: u64,
    events: VecDeque<Event>,
}

impl Container {
    pub(crate) fn new(conn: Conn, shim_pid: i32, plan: &ShimPlan) -> Self {
        Self {
            conn,
            shim_pid,
            id: plan.id.clone(),
            run_dir: plan.run_dir.clone(),
            exit_file: plan.exit_file.clone(),
            log: plan.exit_file.with_file_name("log"),
            cgroup: plan.cgroup.path.clone(),
            tag: 0,
            events: VecDeque::new(),
        }
    }

    /// A second connection, as a daemon makes that was started again.
    pub(crate) fn reconnect(&self, plan: &ShimPlan) -> Self {
        Self::new(Conn::connect(&plan.socket()).unwrap(), self.shim_pid, plan)
    }

    fn receive(&mut self) -> (FromShim, Vec<std::os::fd::OwnedFd>) {
        let mut fds = [PollFd::new(&self.conn, PollFlags::IN)];
        let limit = rustix::event::Timespec { tv_sec: i64::try_from(LIMIT.as_secs()).unwrap(), tv_nsec: 0 };
        assert_ne!(rustix::event::poll(&mut fds, Some(&limit)).unwrap(), 0, "the shim says nothing");
        self.conn.recv::<FromShim>().unwrap().expect("the shim is gone")
    }

    pub(crate) fn call_with_fd(&mut self, request: Request) -> (Reply, Option<std::os::fd::OwnedFd>) {
        self.tag += 1;
        let wanted = self.tag;
        self.conn.send(&ToShim { tag: wanted, request }, &[]).unwrap();
        loop {
            match self.receive() {
                (FromShim::Reply { tag, reply }, mut fds) if tag == wanted => return (reply, fds.pop()),
                (FromShim::Event(event), _) => self.events.push_back(event),
                (other, _) => panic!("unexpected {other:?}"),
            }
        }
    }

    pub(crate) fn call(&mut self, request: Request) -> Reply {
        self.call_with_fd(request).0
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, request: Request) {
        assert_eq!(self.call(request), Reply::Ok);
    }

    pub(crate) fn hello(&mut self) -> Hello {
        match self.call(Request::Hello { version: VERSION }) {
            Reply::Hello(hello) => *hello,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn start(&mut self) -> Result<i32, StartError> {
        match self.call(Request::Start) {
            Reply::Started { pid, .. } => Ok(pid),
            Reply::NotStarted(error) => Err(*error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn attach(&mut self, exec: Option<&str>, stdin: bool) -> UnixStream {
        let spec = AttachSpec { exec: exec.map(str::to_owned), stdin, stdout: true, stderr: true };
        match self.call_with_fd(Request::Attach(spec)) {
            (Reply::Attached, Some(fd)) => {
                let stream = UnixStream::from(fd);
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                stream
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        match self.receive() {
            (FromShim::Event(event), _) => event,
            (other, _) => panic!("unexpected {other:?}"),
        }
    }

    pub(crate) fn wait(&mut self) -> ExitRecord {
        loop {
            if let Event::Exit(record) = self.event() {
                return record;
            }
        }
    }

    pub(crate) fn wait_exec(&mut self, id: &str) -> i32 {
        loop {
            match self.event() {
                Event::ExecExit(exit) if exit.id == id => return exit.status,
                _ => {}
            }
        }
    }

    pub(crate) fn delete(&mut self) {
        self.ok(Request::Delete);
    }

    /// Prepares, attaches and starts a session.
    pub(crate) fn exec(&mut self, id: &str, process: Process, open_stdin: bool) -> Result<UnixStream, StartError> {
        self.ok(Request::Exec(Box::new(ExecSpec { id: id.to_owned(), process, open_stdin })));
        let stream = self.attach(Some(id), open_stdin);
        match self.call(Request::ExecStart { id: id.to_owned() }) {
            Reply::Started { .. } => Ok(stream),
            Reply::NotStarted(error) => Err(*error),
            other => panic!("{other:?}"),
        }
    }

    /// Runs a session to its end.
    pub(crate) fn exec_run(&mut self, id: &str, args: &[&str]) -> (i32, String, String) {
        let stream = self.exec(id, process(args), false).unwrap();
        let (out, err) = demux(&read_all(stream));
        let status = self.wait_exec(id);
        (status, String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
    }

    pub(crate) fn cgroup_exists(&self) -> bool {
        ["cpu", "memory", "pids", "unified", ""]
            .iter()
            .any(|h| Path::new("/sys/fs/cgroup").join(h).join(self.cgroup.trim_start_matches('/')).exists())
    }

    /// Shim, socket directory and cgroup are gone.
    #[track_caller]
    pub(crate) fn assert_gone(&self) {
        until("the shim is gone", || !alive(self.shim_pid));
        assert!(!self.run_dir.exists(), "{} is left", self.run_dir.display());
        assert!(!self.cgroup_exists(), "the cgroup is left");
    }
}

/// Whether a process exists (zombies do not count).
pub(crate) fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))
}

#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn read_all(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads until `text` was seen.
pub(crate) fn read_until(stream: &mut UnixStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

pub(crate) fn send(stream: &mut UnixStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// Standard output and error out of Docker's stream format.
pub(crate) fn demux(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut streams = [Vec::new(), Vec::new()];
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at(8);
        assert_eq!(&header[1..4], [0, 0, 0]);
        let length = u32::from_be_bytes(header[4..8].try_into().unwrap()) as usize;
        let (data, rest) = rest.split_at(length);
        streams[usize::from(header[0]) - 1].extend_from_slice(data);
        bytes = rest;
    }
    let [out, err] = streams;
    (out, err)
}
