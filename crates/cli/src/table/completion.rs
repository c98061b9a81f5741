//! Flags of the `completion` commands.

use super::{Flag, Kind, flag};

pub(super) const COMPLETION_BASH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

pub(super) const COMPLETION_FISH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

pub(super) const COMPLETION_POWERSHELL_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

pub(super) const COMPLETION_ZSH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];
