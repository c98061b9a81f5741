//! `kill`

use oci::runtime::{NamespaceType, Status};
use rustix::io::Errno;

use crate::Context;
use crate::error::{Error, Result, call};
use crate::parse::Matches;
use crate::signals::{self, KILL, TERM};
use crate::store::Container;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let container = context.store.load(&matches.take_first())?;
    let signal = matches.args.first().map_or(Ok(TERM), |text| signals::parse(text))?;
    if matches.flag("all") {
        all(&container, signal)?;
        return Ok(0);
    }
    if container.status()? == Status::Stopped {
        if signal == KILL
            && !has_own_pids(&container)
            && !container.record.cgroup.manager()?.procs().unwrap_or_default().is_empty()
        {
            // The first process is gone, others of a shared PID namespace are not.
            container.record.cgroup.manager()?.kill()?;
            return Ok(0);
        }
        return Err(Error::NotRunning);
    }
    container.signal(signal)?;
    if signal == KILL {
        let cgroup = container.record.cgroup.manager()?;
        if !has_own_pids(&container) {
            cgroup.kill()?;
        } else if container.record.cgroup.is_frozen()? {
            // Frozen processes of cgroup v1 do not die.
            cgroup.thaw()?;
        }
    }
    Ok(0)
}

/// Signals every process of the cgroup; without a cgroup the first one.
fn all(container: &Container, signal: i32) -> Result<()> {
    let cgroup = container.record.cgroup.manager()?;
    if container.record.cgroup.path.is_none() {
        return if container.status()? == Status::Stopped { Ok(()) } else { container.signal(signal) };
    }
    if signal == KILL {
        return Ok(cgroup.kill()?);
    }
    for pid in cgroup.procs()? {
        match sys::signal::kill(pid.as_raw_nonzero().get(), signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(call("unable to signal all processes")(errno)),
        }
    }
    Ok(())
}

fn has_own_pids(container: &Container) -> bool {
    let linux = container.record.spec.linux.as_ref();
    let spaces = linux.map(|linux| linux.namespaces.as_slice()).unwrap_or_default();
    spaces.iter().any(|space| space.r#type == NamespaceType::Pid && space.path.is_empty())
}
