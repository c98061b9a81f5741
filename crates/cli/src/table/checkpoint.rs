//! Flags of the `checkpoint` commands.

use super::{Flag, Kind, flag};

pub(super) const CHECKPOINT_CREATE_FLAGS: &[Flag] = &[
    flag("checkpoint-dir", '\0', "string", Kind::Text, "", ""),
    flag("leave-running", '\0', "bool", Kind::Bool, "false", ""),
];

pub(super) const CHECKPOINT_LS_FLAGS: &[Flag] = &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "")];

pub(super) const CHECKPOINT_RM_FLAGS: &[Flag] = &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "")];
