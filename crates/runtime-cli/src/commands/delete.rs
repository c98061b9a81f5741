//! `delete`

use std::time::Duration;

use oci::runtime::{NamespaceType, Status};

use crate::Context;
use crate::error::{Error, Result};
use crate::parse::Matches;
use crate::signals::KILL;
use crate::store::{Container, remove};

/// How long a killed process may take to end, in steps of [`STEP`].
const STEPS: u32 = 1000;
const STEP: Duration = Duration::from_millis(10);

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let id = matches.take_first();
    let force = matches.flag("force");
    let (container, _lock) = match context.store.lock(&id) {
        Err(Error::NotExist) => {
            context.store.sweep(&id)?;
            return if force { Ok(0) } else { Err(Error::NotExist) };
        }
        other => other?,
    };
    match container.status()? {
        Status::Stopped => {}
        Status::Created => end(&container)?,
        _ if force => end(&container)?,
        status => return Err(Error::DeleteState { id, status }),
    }
    destroy(&container)?;
    Ok(0)
}

/// Kills the first process and waits until it has ended.
fn end(container: &Container) -> Result<()> {
    for step in 0..STEPS {
        if container.status()? == Status::Stopped {
            return Ok(());
        }
        match container.signal(KILL) {
            Ok(()) => {}
            Err(Error::NotRunning) => return Ok(()),
            Err(error) => return Err(error),
        }
        if step == 0 {
            // Frozen processes of cgroup v1 do not die.
            let _ = container.record.cgroup.manager().map(|cgroup| cgroup.kill());
        }
        std::thread::sleep(if step < 10 { STEP / 10 } else { STEP });
    }
    Err(Error::StillRunning { id: container.record.id.clone() })
}

/// Removes what is left of a container whose first process has ended: other processes, cgroup, record; then `poststop`.
pub(crate) fn destroy(container: &Container) -> Result<()> {
    let record = &container.record;
    let cgroup = record.cgroup.manager()?;
    let spaces = record.spec.linux.as_ref().map(|linux| linux.namespaces.as_slice()).unwrap_or_default();
    if !spaces.iter().any(|space| space.r#type == NamespaceType::Pid && space.path.is_empty()) {
        // Their PID namespace lives on, so do they.
        cgroup.kill()?;
    }
    record.cgroup.remove()?;
    let _ = runtime::forget(&record.spec, &record.id);
    remove(&container.dir)?;
    if let Some(hooks) = &record.spec.hooks {
        // The container is gone whatever they say.
        for failed in runtime::poststop(hooks, &record.state(Status::Stopped)) {
            crate::report::Report::default().line("warning", &failed.message);
        }
    }
    Ok(())
}
