//! The `checkpoint` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["checkpoint"]], "", "Work with checkpoints", &[]).group().since("1.25").engine_experiment(),
    command(
        &[&["checkpoint", "create"]],
        "[OPTIONS] CONTAINER CHECKPOINT",
        "Save the state of a running container as a checkpoint",
        &[CHECKPOINT_CREATE_FLAGS],
    )
    .takes(2, 2),
    command(&[&["checkpoint", "ls"]], "[OPTIONS] CONTAINER", "List a container's checkpoints", &[CHECKPOINT_LS_FLAGS])
        .takes(1, 1)
        .aliases(&["list"]),
    command(&[&["checkpoint", "rm"]], "[OPTIONS] CONTAINER CHECKPOINT", "Delete a checkpoint", &[CHECKPOINT_RM_FLAGS])
        .takes(2, 2)
        .aliases(&["remove"]),
];

const CHECKPOINT_CREATE_FLAGS: &[Flag] = &[
    flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory"),
    flag("leave-running", '\0', "bool", Kind::Bool, "false", "Let the container run on"),
];

const CHECKPOINT_LS_FLAGS: &[Flag] =
    &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory")];

const CHECKPOINT_RM_FLAGS: &[Flag] =
    &[flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory")];
