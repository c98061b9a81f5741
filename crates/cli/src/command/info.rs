//! info

use crate::app::App; use crate::failure::{Failure, Result}; use crate::flags::Matches;
pub(super) fn run(_app: &App, m: &Matches) -> Result<()> { Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", m.command.full_path()))) }
pub(super) fn disk_usage(_app: &App, m: &Matches) -> Result<()> { Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", m.command.full_path()))) }
