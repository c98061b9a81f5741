//! `pause` and `resume`

use oci::runtime::Status;

use crate::Context;
use crate::error::{Error, Result};
use crate::parse::Matches;

pub(crate) fn pause(context: &Context, matches: &mut Matches) -> Result<i32> {
    let (container, _lock) = context.store.lock(&matches.take_first())?;
    match container.status()? {
        Status::Running | Status::Created => container.record.cgroup.manager()?.freeze()?,
        _ => return Err(Error::NotRunning),
    }
    Ok(0)
}

pub(crate) fn resume(context: &Context, matches: &mut Matches) -> Result<i32> {
    let (container, _lock) = context.store.lock(&matches.take_first())?;
    match container.status()? {
        Status::Paused => container.record.cgroup.manager()?.thaw()?,
        _ => return Err(Error::NotPaused),
    }
    Ok(0)
}
