//! `create`

use crate::Context;
use crate::error::Result;
use crate::launch::launch;
use crate::parse::Matches;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let id = matches.take_first();
    launch(context, matches, &id, true).map_err(|error| error.framed("runc create"))?;
    Ok(0)
}
