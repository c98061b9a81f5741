//! Hooks of the runtime-spec.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use oci::runtime::{Hook, Spec, State, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use shim_proto::Step;
use sys::process::Cloned;

use crate::failure::{Context as _, Failure, Result};
use crate::starting::{HookRunner, KILL, reap};

/// Runs `prestart` and `createRuntime` in the shim's namespaces, once the child's exist.
pub(crate) fn runner(spec: &Spec, id: &str, bundle: Option<&Path>) -> Option<HookRunner> {
    let hooks = spec.hooks.clone()?;
    let state = state(spec, id, bundle, Status::Creating);
    Some(Box::new(move |pid| {
        let state = State { pid: Some(pid), ..state.clone() };
        run(&hooks.prestart, &state)?;
        run(&hooks.create_runtime, &state)
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

/// Runs hooks one after the other; the first that fails ends it.
pub(crate) fn run(hooks: &[Hook], state: &State) -> Result<()> {
    hooks.iter().enumerate().try_for_each(|(n, hook)| {
        run_one(hook, state).map_err(|mut failure| {
            failure.text = format!("error running hook #{n}: {}", failure.text);
            failure.at(&hook.path)
        })
    })
}

fn run_one(hook: &Hook, state: &State) -> Result<()> {
    if !Path::new(&hook.path).is_absolute() {
        return Err(Failure::plain(Step::Hook, format!("hook path {} is not absolute", hook.path)));
    }
    let text = serde_json::to_vec(state).map_err(|e| Failure::plain(Step::Hook, e.to_string()))?;
    let (stdin, to_hook) = pipe_with(PipeFlags::CLOEXEC).context(Step::Hook, "pipe")?;
    // A shim blocks all signals, which std::process would hand on: so this forks by itself.
    let (pid, pidfd) = match sys::process::clone3_of_single_thread(0, None).context(Step::Hook, "fork")? {
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
        Cloned::Child => {
            drop(to_hook);
            let _ = rustix::stdio::dup2_stdin(&stdin);
            sys::signal::default_all();
            let _ = sys::signal::unblock_all();
            let mut command = Command::new(&hook.path);
            command.args(hook.args.iter().skip(1)).env_clear();
            command.envs(hook.env.iter().filter_map(|e| e.split_once('=')));
            let _ = command.exec();
            sys::process::exit_now(127)
        }
    };
    drop(stdin);
    // A hook need not read it.
    let _ = std::fs::File::from(to_hook).write_all(&text);
    let limit = hook.timeout.filter(|s| *s > 0);
    wait(pid, &pidfd, limit)
}

/// Waits for a hook, at most `limit` seconds.
fn wait(pid: i32, pidfd: &OwnedFd, limit: Option<i64>) -> Result<()> {
    let timeout = limit.map(|tv_sec| Timespec { tv_sec, tv_nsec: 0 });
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let in_time = loop {
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            other => break other.context(Step::Hook, "poll")? > 0,
        }
    };
    if !in_time {
        let _ = sys::signal::pidfd_kill(pidfd.as_fd(), KILL);
    }
    let status = reap(pid);
    match (in_time, status) {
        (true, Some(0)) => Ok(()),
        (true, Some(status)) if status & 0x7f == 0 => {
            Err(Failure::plain(Step::Hook, format!("exit status {}", status >> 8)))
        }
        (true, Some(status)) => Err(Failure::plain(Step::Hook, format!("signal: {}", status & 0x7f))),
        (true, None) => Err(Failure::plain(Step::Hook, "no such child process")),
        (false, _) => {
            let limit = limit.unwrap_or_default();
            Err(Failure::plain(Step::Hook, format!("hook ran past specified timeout of {limit}.0s")))
        }
    }
}
