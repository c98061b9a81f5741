//! Flags of the `checkpoint` commands.

use super::{Flag, Kind, flag};

pub(super) const CHECKPOINT_CREATE_FLAGS: &[Flag] = &[
    flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory"),
    flag("leave-running", '\0', "bool", Kind::Bool, "false", "Let the container run on"),
];

pub(super) const CHECKPOINT_LS_FLAGS: &[Flag] =
    &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory")];

pub(super) const CHECKPOINT_RM_FLAGS: &[Flag] =
    &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory")];
