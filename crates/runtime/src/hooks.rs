//! Hooks of the runtime-spec.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use oci::runtime::{Hook, Spec, State, Status};
use shim_proto::Step;

use crate::failure::{Context as _, Failure, Result};
use crate::starting::HookRunner;

/// How often a hook with a time limit is looked at.
const TICK: Duration = Duration::from_millis(2);

/// Runs `prestart` and `createRuntime` in the shim's namespaces, once the child's exist.
pub(crate) fn runner(spec: &Spec, id: &str) -> Option<HookRunner> {
    let hooks = spec.hooks.clone()?;
    let state = state(spec, id, Status::Creating);
    Some(Box::new(move |pid| {
        let state = State { pid: Some(pid), ..state.clone() };
        run(&hooks.prestart, &state)?;
        run(&hooks.create_runtime, &state)
    }))
}

/// The state that hooks read on their standard input.
pub(crate) fn state(spec: &Spec, id: &str, status: Status) -> State {
    State {
        oci_version: spec.oci_version.clone(),
        id: id.to_owned(),
        status,
        pid: None,
        bundle: "/".to_owned(),
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
    let mut command = Command::new(&hook.path);
    command.args(hook.args.iter().skip(1)).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs(hook.env.iter().filter_map(|e| e.split_once('=')));
    let mut child = command.spawn().context(Step::Hook, "fork/exec")?;
    if let Some(mut stdin) = child.stdin.take() {
        let text = serde_json::to_vec(state).map_err(|e| Failure::plain(Step::Hook, e.to_string()))?;
        // A hook need not read it.
        let _ = stdin.write_all(&text);
    }
    let limit = hook.timeout.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
    let status = wait(&mut child, limit)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::plain(Step::Hook, status.to_string().replace("exit status:", "exit status")))
}

fn wait(child: &mut Child, limit: Option<Duration>) -> Result<ExitStatus> {
    let Some(limit) = limit else { return child.wait().context(Step::Hook, "wait") };
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context(Step::Hook, "wait")? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            let text = format!("hook ran past specified timeout of {:.1}s", limit.as_secs_f64());
            return Err(Failure::plain(Step::Hook, text));
        }
        std::thread::sleep(TICK);
    }
}
