//! Another OCI runtime in place of ours, driven by runc's command line. The shim stays what it is to the container: its
//! processes become the shim's children (it is their subreaper), their streams are the shim's.
//!
//! The root file system is mounted in a mount namespace of the shim's own, which the runtime is run in: nothing is left to
//! unmount.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use oci::runtime::{NamespaceType, Process, Root, Spec};
use runtime::{Started, Stdio, errno_words};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};
use shim_proto::{ForeignRuntime, ShimPlan, StartError, Step};
use sys::process::{Cloned, Strings, flags};

/// Where the runtime finds programs of its own.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Most bytes of a runtime's log that are looked at.
const LOG_LIMIT: u64 = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Foreign {
    runtime: ForeignRuntime,
    id: String,
    /// Bundle, log, state and sockets.
    dir: PathBuf,
    /// Where the root is mounted: outside of what is removed with all that is in it.
    rootfs: PathBuf,
}

/// What a call of the runtime came to.
#[derive(Debug)]
enum Failed {
    /// It could not be run.
    Run(Errno),
    /// It ended with this status.
    Status(i32),
    /// Something around it.
    System(&'static str, Errno),
}

impl Failed {
    fn text(&self, program: &Path) -> String {
        match self {
            Self::Run(Errno::NOENT) if !program.to_string_lossy().contains('/') => {
                format!("exec: \"{}\": executable file not found in $PATH", program.display())
            }
            Self::Run(errno) => format!("fork/exec {}: {}", program.display(), errno_words(*errno)),
            Self::Status(status) => format!("exit status {status}"),
            Self::System(what, errno) => format!("{what}: {}", errno_words(*errno)),
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Failed {
    move |error| Failed::System(what, Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Streams of a call.
type Streams<'a> = [BorrowedFd<'a>; 3];

impl Foreign {
    pub(crate) fn new(runtime: &ForeignRuntime, id: &str, run_dir: &Path) -> Self {
        let roots = run_dir.parent().and_then(Path::parent).unwrap_or(run_dir).join("roots");
        Self { runtime: runtime.clone(), id: id.to_owned(), dir: run_dir.join("oci"), rootfs: roots.join(id) }
    }

    /// Makes and starts the container.
    pub(crate) fn start(&self, plan: &ShimPlan, stdio: Stdio) -> Result<Started, StartError> {
        let log = self.log("create");
        self.prepare(plan)
            .and_then(|()| self.create(stdio))
            .map_err(|failed| self.error("create", &log, &failed))
            .and_then(|started| match self.run("start", &[&self.id]) {
                Ok(()) => Ok(started),
                Err(failed) => {
                    let error = self.error("start", &self.log("start"), &failed);
                    self.delete();
                    Err(error)
                }
            })
    }

    fn log(&self, command: &str) -> PathBuf {
        self.dir.join(format!("{command}.json"))
    }

    fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    /// Writes the bundle and mounts its root.
    fn prepare(&self, plan: &ShimPlan) -> Result<(), Failed> {
        for dir in [&self.rootfs, &self.bundle()] {
            fs::DirBuilder::new().recursive(true).mode(0o711).create(dir).map_err(system("mkdir of the bundle"))?;
        }
        sys::process::unshare(flags::NEWNS).map_err(|errno| Failed::System("unshare mount namespace", errno))?;
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .map_err(|errno| Failed::System("mount / as slave", errno))?;
        runtime::mount_rootfs(&plan.rootfs, &self.rootfs)
            .map_err(|errno| Failed::System("mount of the root", errno))?;
        let spec = spec_of(plan, &self.rootfs);
        self.write_json("bundle/config.json", &spec)
    }

    fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), Failed> {
        let text = serde_json::to_vec(value).map_err(|_| Failed::System("encoding", Errno::INVAL))?;
        let mut file = fs::File::create(self.dir.join(name)).map_err(system("open"))?;
        file.write_all(&text).map_err(system("write"))
    }

    fn create(&self, stdio: Stdio) -> Result<Started, Failed> {
        let bundle = self.bundle().to_string_lossy().into_owned();
        self.with_streams("create", &["--bundle", &bundle], &[&self.id], stdio)
    }

    /// Runs another process in the container.
    pub(crate) fn exec(&self, process: &Process, stdio: Stdio) -> Result<Started, StartError> {
        let file = self.dir.join("process.json").to_string_lossy().into_owned();
        let made = self
            .write_json("process.json", process)
            .and_then(|()| self.with_streams("exec", &["--process", &file, "--detach"], &[&self.id], stdio));
        made.map_err(|failed| self.error("exec", &self.log("exec"), &failed))
    }

    /// A call that leaves a process behind, with its streams or a terminal.
    fn with_streams(&self, command: &str, options: &[&str], args: &[&str], stdio: Stdio) -> Result<Started, Failed> {
        let pid_file = self.dir.join("pid");
        let _ = fs::remove_file(&pid_file);
        let pid_text = pid_file.to_string_lossy().into_owned();
        let mut all = vec![command, "--pid-file", &pid_text];
        all.extend(options);
        let console = match stdio {
            Stdio::Streams { stdin, stdout, stderr } => {
                all.extend(args);
                self.call(&all, [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])?;
                None
            }
            Stdio::Terminal { size } => {
                let socket = self.dir.join("tty");
                let listener = listen(&socket).map_err(|errno| Failed::System("console socket", errno))?;
                let socket_text = socket.to_string_lossy().into_owned();
                all.extend(["--console-socket", socket_text.as_str()]);
                all.extend(args);
                let null = null().map_err(|errno| Failed::System("open /dev/null", errno))?;
                self.call(&all, [null.as_fd(), null.as_fd(), null.as_fd()])?;
                let master = take(&listener).map_err(|errno| Failed::System("console socket", errno))?;
                if let Some(size) = size {
                    let size =
                        rustix::termios::Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
                    let _ = rustix::termios::tcsetwinsize(&master, size);
                }
                Some(master)
            }
        };
        let text = fs::read_to_string(&pid_file).map_err(system("read of the pid file"))?;
        let pid = text.trim().parse().ok().and_then(Pid::from_raw).ok_or(Failed::System("pid file", Errno::INVAL))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| Failed::System("pidfd_open", errno))?;
        Ok(Started { pid: pid.as_raw_nonzero().get(), pidfd, console, held: None })
    }

    /// A call that only does something.
    fn run(&self, command: &str, args: &[&str]) -> Result<(), Failed> {
        let null = null().map_err(|errno| Failed::System("open /dev/null", errno))?;
        let all: Vec<&str> = std::iter::once(command).chain(args.iter().copied()).collect();
        self.call(&all, [null.as_fd(), null.as_fd(), null.as_fd()])
    }

    /// As [`Self::run`]; the failure in words.
    pub(crate) fn ask(&self, command: &str, args: &[&str]) -> Result<(), String> {
        let mut all: Vec<&str> = args.to_vec();
        all.push(&self.id);
        self.run(command, &all)
            .map_err(|failed| last_error(&self.log(command)).unwrap_or_else(|| failed.text(&self.runtime.program)))
    }

    /// Signals the first process, or all.
    pub(crate) fn kill(&self, signal: i32, all: bool) -> Result<(), String> {
        let number = signal.to_string();
        let args: &[&str] = if all { &["--all", &self.id, &number] } else { &[&self.id, &number] };
        self.run("kill", args)
            .map_err(|failed| last_error(&self.log("kill")).unwrap_or_else(|| failed.text(&self.runtime.program)))
    }

    /// Changes limits.
    pub(crate) fn update(&self, resources: &oci::runtime::Resources) -> Result<(), String> {
        self.write_json("resources.json", resources).map_err(|failed| failed.text(&self.runtime.program))?;
        let file = self.dir.join("resources.json").to_string_lossy().into_owned();
        self.ask("update", &["--resources", &file])
    }

    /// Lets go of all of it.
    pub(crate) fn delete(&self) {
        let _ = self.ask("delete", &["--force"]);
        let _ = rustix::mount::unmount(&self.rootfs, rustix::mount::UnmountFlags::DETACH);
        // An empty directory, in the host's mount namespace anyway.
        let _ = fs::remove_dir(&self.rootfs);
    }

    /// Runs the runtime and waits for it.
    fn call(&self, args: &[&str], streams: Streams<'_>) -> Result<(), Failed> {
        let log = self.log(args.first().copied().unwrap_or_default());
        let _ = fs::remove_file(&log);
        let mut argv = vec![self.runtime.program.to_string_lossy().into_owned()];
        argv.extend(self.runtime.args.iter().cloned());
        argv.extend(["--root".to_owned(), self.dir.join("state").to_string_lossy().into_owned()]);
        argv.extend(["--log".to_owned(), log.to_string_lossy().into_owned()]);
        argv.extend(["--log-format".to_owned(), "json".to_owned()]);
        argv.extend(args.iter().map(|&arg| arg.to_owned()));
        match spawn(&self.runtime.program, argv, streams)? {
            0 => Ok(()),
            status => Err(Failed::Status(status)),
        }
    }

    /// What containerd makes of a failed call.
    fn error(&self, command: &str, log: &Path, failed: &Failed) -> StartError {
        let message = match (last_error(log), failed) {
            (Some(text), Failed::Status(_)) => format!("OCI runtime {command} failed: {text}"),
            (None, Failed::Run(_)) => format!(
                "OCI runtime {command} failed: unable to retrieve OCI runtime error (open {}: no such file or directory): {}",
                log.display(),
                failed.text(&self.runtime.program)
            ),
            _ => format!("OCI runtime {command} failed: {}", failed.text(&self.runtime.program)),
        };
        StartError { step: Step::Exec, errno: errno_of(&message), path: String::new(), message }
    }
}

/// Which errno Docker reads out of a message, for the exit code.
fn errno_of(message: &str) -> i32 {
    let lower = message.to_ascii_lowercase();
    let has = |text| lower.contains(text);
    if has("executable file not found") || has("no such file or directory") {
        Errno::NOENT.raw_os_error()
    } else if has("permission denied") || has("not a directory") {
        Errno::ACCESS.raw_os_error()
    } else {
        0
    }
}

/// The container as the other runtime is told it.
fn spec_of(plan: &ShimPlan, rootfs: &Path) -> Spec {
    let mut spec = plan.spec.clone();
    let readonly = spec.root.as_ref().is_some_and(|root| root.readonly);
    spec.root = Some(Root { path: rootfs.to_string_lossy().into_owned(), readonly });
    if let Some(process) = &mut spec.process {
        process.terminal = plan.stdio.tty;
    }
    let linux = spec.linux.get_or_insert_default();
    linux.cgroups_path.clone_from(&plan.cgroup.path);
    if let Some(netns) = &plan.netns {
        linux.namespaces.retain(|space| space.r#type != NamespaceType::Network);
        let path = netns.to_string_lossy().into_owned();
        linux.namespaces.push(oci::runtime::Namespace { r#type: NamespaceType::Network, path });
    }
    if let (Some(init), Some(process)) = (&plan.init, &mut spec.process) {
        const INSIDE: &str = "/sbin/docker-init";
        process.args.splice(0..0, [INSIDE.to_owned(), "--".to_owned()]);
        spec.mounts.push(oci::runtime::Mount {
            destination: INSIDE.to_owned(),
            r#type: "bind".to_owned(),
            source: init.to_string_lossy().into_owned(),
            options: vec!["bind".to_owned(), "ro".to_owned()],
            ..oci::runtime::Mount::default()
        });
    }
    spec
}

/// The last error of a log of JSON objects, one a line or, as crun writes them, spread over several.
fn last_error(log: &Path) -> Option<String> {
    let mut text = Vec::new();
    fs::File::open(log).ok()?.take(LOG_LIMIT).read_to_end(&mut text).ok()?;
    let entries = serde_json::Deserializer::from_slice(&text).into_iter::<serde_json::Value>();
    let errors = entries.map_while(Result::ok).filter(|entry| entry["level"] == "error");
    errors.last()?["msg"].as_str().map(str::to_owned)
}

fn null() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// Runs a program with nothing of the shim's: its signals, its OOM score, its umask. Gives its status.
fn spawn(program: &Path, argv: Vec<String>, [stdin, stdout, stderr]: Streams<'_>) -> Result<i32, Failed> {
    let fault = |what| move |errno| Failed::System(what, errno);
    let args = Strings::new(argv).map_err(fault("arguments"))?;
    let env = Strings::new([PATH]).map_err(fault("environment"))?;
    let path = std::ffi::CString::new(program.to_string_lossy().as_bytes())
        .map_err(|_| Failed::System("arguments", Errno::INVAL))?;
    let (news, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(fault("pipe"))?;
    let pid = match sys::process::fork().map_err(fault("fork"))? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => {
            sys::signal::default_all();
            let _ = sys::signal::unblock_all();
            let _ = fs::write("/proc/self/oom_score_adj", "0");
            rustix::process::umask(Mode::from_raw_mode(0o022));
            let _ = rustix::stdio::dup2_stdin(stdin);
            let _ = rustix::stdio::dup2_stdout(stdout);
            let _ = rustix::stdio::dup2_stderr(stderr);
            let errno = sys::process::execve(&path, &args, &env);
            let _ = rustix::io::write(&tell, &errno.raw_os_error().to_ne_bytes());
            sys::process::exit_now(127)
        }
    };
    drop(tell);
    let mut errno = [0; 4];
    let failed = matches!(rustix::io::read(&news, &mut errno), Ok(4));
    let status = loop {
        match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            other => break other.map_err(fault("wait"))?,
        }
    };
    if failed {
        return Err(Failed::Run(Errno::from_raw_os_error(i32::from_ne_bytes(errno))));
    }
    Ok(status.map_or(255, |(_, status)| {
        status.exit_status().unwrap_or_else(|| status.terminating_signal().map_or(255, |signal| 128 + signal))
    }))
}

/// A socket that a terminal comes by.
fn listen(path: &Path) -> Result<OwnedFd, Errno> {
    let _ = fs::remove_file(path);
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 1)?;
    Ok(socket)
}

/// Takes the terminal: the runtime has sent it by now, or never will.
fn take(listener: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::ioctl_fionbio(listener, true)?;
    let from = rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&from, true)?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 4096];
    let mut into = [std::io::IoSliceMut::new(&mut name)];
    rustix::net::recvmsg(&from, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let found = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    found.ok_or(Errno::BADF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_log() {
        let dir = std::env::temp_dir().join(format!("gantry-foreign-{}", std::process::id()));
        fs::write(&dir, "{\"level\":\"error\",\"msg\":\"first\"}\n{\n  \"msg\": \"last\",\n  \"level\":\"error\"\n}{\"level\":\"info\",\"msg\":\"x\"}\n")
            .unwrap();
        assert_eq!(last_error(&dir).as_deref(), Some("last"));
        fs::remove_file(&dir).unwrap();
        assert_eq!(last_error(&dir), None);
    }

    #[test]
    fn exit_codes() {
        assert_eq!(errno_of("crun: executable file `x` not found in $PATH: No such file or directory"), 2);
        assert_eq!(errno_of("open executable: Permission denied"), 13);
        assert_eq!(errno_of("something else"), 0);
    }

    #[test]
    fn words_of_a_wrong_path() {
        let foreign =
            Foreign::new(&ForeignRuntime { program: "/nope".into(), args: Vec::new() }, "id", Path::new("/run/x"));
        let text = foreign.error("create", Path::new("/run/x/log.json"), &Failed::Run(Errno::NOENT)).message;
        assert_eq!(
            text,
            "OCI runtime create failed: unable to retrieve OCI runtime error (open /run/x/log.json: no such file or \
             directory): fork/exec /nope: no such file or directory"
        );
    }
}
