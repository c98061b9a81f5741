//! `docker cp`

use crate::app::App;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// `docker cp`
pub(super) fn run(_app: &App, _m: &Matches) -> Result<()> {
    Err(Failure::new("docker: 'docker cp' is not implemented in this version of Gantry"))
}
