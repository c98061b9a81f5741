//! Hooks of the runtime-spec.

use std::ffi::CString;
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use oci::runtime::{Hook, Hooks, Spec, State, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use shim_proto::{StartError, Step};
use sys::process::{Cloned, Strings};

use crate::failure::{Context as _, Failure, Result};
use crate::net_devices;
use crate::starting::{HookRunner, KILL, reap};

/// Most bytes of a hook's output that are kept for the message of its failure.
const OUTPUT: usize = 16 * 1024;

/// Whether a container is held up for [`runner`] once its namespaces exist.
pub(crate) fn are_wanted(spec: &Spec) -> bool {
    spec.hooks.is_some() || spec.linux.as_ref().is_some_and(|linux| !linux.net_devices.is_empty())
}

/// Moves network devices, and runs `prestart` and `createRuntime` in the shim's namespaces, once the child's exist.
pub(crate) fn runner(spec: &Spec, id: &str, bundle: Option<&Path>) -> Option<HookRunner> {
    if !are_wanted(spec) {
        return None;
    }
    let hooks = spec.hooks.clone().unwrap_or_default();
    let devices = spec.linux.as_ref().map(|linux| linux.net_devices.clone()).unwrap_or_default();
    let state = state(spec, id, bundle, Status::Creating);
    Some(Box::new(move |pid| {
        let state = State { pid: Some(pid), ..state.clone() };
        net_devices::enter(&devices, pid)?;
        run("prestart", &hooks.prestart, &state, &[])?;
        run("createRuntime", &hooks.create_runtime, &state, &[])
    }))
}

/// The state that hooks read on their standard input.
pub(crate) fn state(spec: &Spec, id: &str, bundle: Option<&Path>, status: Status) -> State {
    State {
        oci_version: spec.oci_version.clone(),
        id: id.to_owned(),
        status,
        pid: None,
        bundle: bundle.unwrap_or(Path::new("/")).to_string_lossy().into_owned(),
        annotations: spec.annotations.clone(),
    }
}

/// Runs the hooks of a container whose namespaces exist, in the caller's. For a caller with one thread.
///
/// # Errors
/// The first that fails.
pub fn create_runtime(hooks: &Hooks, state: &State) -> std::result::Result<(), StartError> {
    run("prestart", &hooks.prestart, state, &[])
        .and_then(|()| run("createRuntime", &hooks.create_runtime, state, &[]))
        .map_err(Failure::of_spec)
}

/// Runs the hooks that follow the start of the user's program, in the caller's namespaces. For a caller with one thread.
///
/// # Errors
/// The first that fails; runc kills the container then.
pub fn poststart(hooks: &Hooks, state: &State) -> std::result::Result<(), StartError> {
    run("poststart", &hooks.poststart, state, &[]).map_err(Failure::of_spec)
}

/// Runs the hooks that follow the removal of a container, in the caller's namespaces: all of them, whatever fails. For a
/// caller with one thread. What failed comes back, to be logged.
#[must_use]
pub fn poststop(hooks: &Hooks, state: &State) -> Vec<StartError> {
    let each = hooks.poststop.iter().enumerate();
    each.filter_map(|(n, hook)| run_named("poststop", n, hook, state, &[]).err().map(Failure::of_spec)).collect()
}

/// Runs hooks one after the other; the first that fails ends it. `env` is for hooks that name none; where it is empty too
/// they have ours.
pub(crate) fn run(name: &str, hooks: &[Hook], state: &State, env: &[String]) -> Result<()> {
    hooks.iter().enumerate().try_for_each(|(n, hook)| run_named(name, n, hook, state, env))
}

fn run_named(name: &str, n: usize, hook: &Hook, state: &State, env: &[String]) -> Result<()> {
    run_one(hook, state, env).map_err(|mut failure| {
        failure.text = format!("error running {name} hook #{n}: {}", failure.text);
        failure.at(&hook.path)
    })
}

/// Runs a program of the host with nothing on its standard input, and our environment.
pub(crate) fn program(path: &str, args: &[String]) -> Result<()> {
    let hook = Hook { path: path.to_owned(), args: args.to_vec(), ..Hook::default() };
    let null = std::fs::File::open("/dev/null").context(Step::Hook, "open /dev/null")?;
    run_with(&hook, null, &[])
}

fn run_one(hook: &Hook, state: &State, env: &[String]) -> Result<()> {
    if !Path::new(&hook.path).is_absolute() {
        return Err(Failure::plain(Step::Hook, format!("hook path {} is not absolute", hook.path)));
    }
    // Not a pipe: a hook need not read what it is told, however long that is.
    let memfd = rustix::fs::memfd_create("state", MemfdFlags::CLOEXEC).context(Step::Hook, "memfd_create")?;
    let mut stdin = std::fs::File::from(memfd);
    serde_json::to_writer(&mut stdin, state).map_err(|e| Failure::plain(Step::Hook, e.to_string()))?;
    stdin.rewind().context(Step::Hook, "lseek")?;
    run_with(hook, stdin, env)
}

fn run_with(hook: &Hook, stdin: std::fs::File, env: &[String]) -> Result<()> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context(Step::Hook, "pipe");
    let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
    let program = Program::new(hook, env)?;
    // A shim blocks all signals, which std::process would hand on: so this forks by itself.
    let (pid, pidfd) = match sys::process::clone3_of_single_thread(0, None).context(Step::Hook, "fork")? {
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
        Cloned::Child => become_hook(&program, &stdin, &stdout, &stderr),
    };
    drop((stdin, stdout, stderr));
    let limit = hook.timeout.filter(|s| *s > 0).and_then(|s| u64::try_from(s).ok());
    wait(pid, &pidfd, limit, [Capture::new(out)?, Capture::new(err)?])
}

/// All that execve(2) wants, made before the fork.
#[derive(Debug)]
struct Program {
    path: CString,
    args: Strings,
    env: Strings,
}

impl Program {
    fn new(hook: &Hook, env: &[String]) -> Result<Self> {
        let text = "arguments and environment of a hook";
        let path = CString::new(hook.path.as_str()).map_err(|_| Failure::new(Step::Hook, text, Errno::INVAL))?;
        let args = if hook.args.is_empty() { std::slice::from_ref(&hook.path) } else { &hook.args };
        let env = if hook.env.is_empty() { env } else { &hook.env };
        let env = if env.is_empty() {
            let own = std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
            Strings::new(own)
        } else {
            Strings::new(env.iter().map(String::as_bytes))
        };
        let args = Strings::new(args.iter().map(String::as_bytes)).context(Step::Hook, text)?;
        Ok(Self { path, args, env: env.context(Step::Hook, text)? })
    }
}

fn become_hook(program: &Program, stdin: &std::fs::File, stdout: &OwnedFd, stderr: &OwnedFd) -> ! {
    let _ = rustix::stdio::dup2_stdin(stdin);
    let _ = rustix::stdio::dup2_stdout(stdout);
    let _ = rustix::stdio::dup2_stderr(stderr);
    sys::signal::default_all();
    let _ = sys::signal::unblock_all();
    let errno = sys::process::execve(&program.path, &program.args, &program.env);
    for part in [b"fork/exec ", program.path.as_bytes(), b": ", crate::failure::words(errno).as_bytes(), b"\n"] {
        let _ = rustix::io::write(rustix::stdio::stderr(), part);
    }
    sys::process::exit_now(127)
}

/// The beginning of an output.
#[derive(Debug)]
struct Capture {
    from: std::fs::File,
    text: Vec<u8>,
    open: bool,
}

impl Capture {
    fn new(from: OwnedFd) -> Result<Self> {
        rustix::io::ioctl_fionbio(&from, true).context(Step::Hook, "ioctl(FIONBIO)")?;
        Ok(Self { from: from.into(), text: Vec::new(), open: true })
    }

    /// Reads what there is.
    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while self.open {
            match self.from.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(count) => {
                    let room = OUTPUT.saturating_sub(self.text.len());
                    self.text.extend_from_slice(buffer.get(..count.min(room)).unwrap_or_default());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => self.open = false,
            }
        }
    }
}

/// Waits for a hook, at most `limit` seconds.
fn wait(pid: i32, pidfd: &OwnedFd, limit: Option<u64>, mut outputs: [Capture; 2]) -> Result<()> {
    let end = limit.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let in_time = loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = vec![PollFd::new(pidfd, PollFlags::IN)];
        fds.extend(outputs.iter().filter(|o| o.open).map(|o| PollFd::new(&o.from, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => break false,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::new(Step::Hook, "poll", errno)),
        }
        let ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        outputs.iter_mut().for_each(Capture::read);
        if ended {
            break true;
        }
    };
    if !in_time {
        let _ = sys::signal::pidfd_kill(pidfd.as_fd(), KILL);
    }
    let status = reap(pid);
    let how = match (in_time, status) {
        (true, Some(0)) => return Ok(()),
        (true, Some(status)) if status & 0x7f == 0 => format!("exit status {}", status >> 8),
        (true, Some(status)) => format!("signal: {}", status & 0x7f),
        (true, None) => "no such child process".to_owned(),
        (false, _) => {
            let text = format!("hook ran past specified timeout of {}.0s", limit.unwrap_or_default());
            return Err(Failure::plain(Step::Hook, text));
        }
    };
    let [out, err] = outputs.map(|o| String::from_utf8_lossy(&o.text).into_owned());
    Err(Failure::plain(Step::Hook, format!("{how}, stdout: {out}, stderr: {err}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout: Option<i64>) -> Hook {
        let args = ["sh", "-c", script].map(str::to_owned).to_vec();
        Hook { path: "/bin/sh".into(), args, env: vec!["PATH=/bin:/usr/bin".into(), "X=1".into()], timeout }
    }

    fn told(hooks: &[Hook]) -> Result<()> {
        let spec = Spec { annotations: [("a".to_owned(), "b".repeat(200_000))].into(), ..Spec::default() };
        run("prestart", hooks, &state(&spec, "id", Some(Path::new("/bundle")), Status::Creating), &[])
    }

    #[test]
    fn the_state_is_on_stdin_and_need_not_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state");
        let read = hook(&format!("cat > {}", file.display()), None);
        told(&[hook("exit 0", None), read]).unwrap();
        let state: State = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!((state.id.as_str(), state.bundle.as_str(), state.status), ("id", "/bundle", Status::Creating));
        assert_eq!(state.annotations.get("a").map(String::len), Some(200_000));
    }

    #[test]
    fn failures_say_what_the_hook_said() {
        let text = |hooks: &[Hook]| told(hooks).unwrap_err().text;
        let bad = hook("echo out; echo $X >&2; exit 3", None);
        assert_eq!(
            text(&[hook("true", None), bad.clone()]),
            "error running prestart hook #1: exit status 3, stdout: out\n, stderr: 1\n"
        );
        assert_eq!(
            text(&[hook("kill -9 $$", None), bad]),
            "error running prestart hook #0: signal: 9, stdout: , stderr: "
        );
        assert_eq!(
            text(&[hook("sleep 60", Some(1))]),
            "error running prestart hook #0: hook ran past specified timeout of 1.0s"
        );
        let relative = Hook { path: "sh".into(), ..Hook::default() };
        assert_eq!(text(&[relative]), "error running prestart hook #0: hook path sh is not absolute");
    }

    #[test]
    fn much_output_and_children_left_behind() {
        told(&[hook("yes | head -c 300000; (sleep 60 &) ; exit 0", Some(20))]).unwrap();
    }

    #[test]
    fn poststop_runs_them_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ran");
        let hooks = Hooks {
            poststop: vec![hook("exit 1", None), hook(&format!("touch {}", file.display()), None)],
            ..Hooks::default()
        };
        let state = state(&Spec::default(), "id", None, Status::Stopped);
        assert_eq!(poststop(&hooks, &state).len(), 1);
        assert!(file.exists());
    }
}
