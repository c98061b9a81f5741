//! `start`

use oci::runtime::Status;

use crate::Context;
use crate::error::{Error, Result};
use crate::launch;
use crate::parse::Matches;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let (container, _lock) = context.store.lock(&matches.take_first())?;
    match container.status()? {
        Status::Created => launch::start(&container)?,
        Status::Stopped => return Err(Error::StartStopped),
        Status::Running => return Err(Error::StartRunning),
        status => return Err(Error::StartState { status }),
    }
    Ok(0)
}
