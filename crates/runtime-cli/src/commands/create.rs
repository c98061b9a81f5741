//! `create`

use crate::Context;
use crate::error::Result;
use crate::launch::{Until, launch};
use crate::parse::Matches;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let id = matches.take_first();
    launch(context, matches, &id, true, Until::Start).map_err(|error| error.framed("runc create"))?;
    Ok(0)
}
