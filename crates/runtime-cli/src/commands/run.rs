//! `run`

use crate::Context;
use crate::commands::delete::destroy;
use crate::error::{Error, Result};
use crate::launch::{self, Launched, launch};
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
    let Launched { container, lock, console, pidfd } = launch(context, matches, id, detached)?;
    let started = launch::start(&container).inspect_err(|_| {
        let _ = container.signal(crate::signals::KILL);
        let _ = destroy(&container);
    });
    started?;
    drop(lock);
    let Some(signals) = signals else { return Ok(0) };
    let status = stay::until_end(container.record.pid, &pidfd, console, &signals)?;
    if !matches.flag("keep") {
        // Somebody else may have deleted it already.
        match context.store.lock(id) {
            Err(Error::NotExist) => {}
            other => destroy(&other?.0)?,
        }
    }
    Ok(status)
}
