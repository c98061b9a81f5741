//! `run`

use crate::Context;
use crate::commands::delete::destroy;
use crate::error::{Error, Result};
use crate::launch::{self, Launched, Until, launch};
use crate::parse::Matches;
use crate::stay::{self, Signals};

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let id = matches.take_first();
    run_one(context, matches, &id).map_err(|error| error.framed("runc run"))
}

fn run_one(context: &Context, matches: &Matches, id: &str) -> Result<i32> {
    let detached = matches.flag("detach");
    let signals = (!detached).then(Signals::keep).transpose()?;
    if !detached && !matches.flag("no-subreaper") {
        stay::adopt()?;
    }
    let Launched { container, lock, held, console, pidfd } = launch(context, matches, id, detached, Until::Word)?;
    let started = held.as_ref().ok_or(Error::StartStopped).and_then(|held| launch::go_on(&container, held));
    started.inspect_err(|_| {
        let _ = container.signal(crate::signals::KILL);
        let _ = destroy(&container);
    })?;
    drop(held);
    lock.release();
    let Some(signals) = signals else { return Ok(0) };
    let status = stay::until_end(container.record.pid, &pidfd, console, &signals)?;
    if !matches.flag("keep") {
        // Somebody else may have deleted it already.
        if lock.again(&container.dir)? {
            destroy(&container)?;
        }
    }
    Ok(status)
}
