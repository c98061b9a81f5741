//! The `builder` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["builder"]], "", "Work with builds", &[]).group().since("1.31"),
    command(&[&["builder", "prune"]], "", "Drop the build cache", &[BUILDER_PRUNE_FLAGS]).since("1.39"),
];

const BUILDER_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "Drop all of the cache, not only what dangles"),
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
    flag("keep-storage", '\0', "bytes", Kind::Bytes, "0", "How much of the cache may stay"),
];
