//! inspect

use crate::app::App; use crate::failure::{Failure, Result}; use crate::flags::Matches;
pub(super) fn any(_app: &App, m: &Matches) -> Result<()> { Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", m.command.full_path()))) }
pub(super) fn containers(_app: &App, m: &Matches) -> Result<()> { Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", m.command.full_path()))) }
pub(super) fn images(_app: &App, m: &Matches) -> Result<()> { Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", m.command.full_path()))) }
