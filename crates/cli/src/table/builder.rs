//! Flags of the `builder` commands.

use super::{Flag, Kind, flag};

pub(super) const BUILDER_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", ""),
    flag("filter", '\0', "filter", Kind::Filter, "", ""),
    flag("force", 'f', "bool", Kind::Bool, "false", ""),
    flag("keep-storage", '\0', "bytes", Kind::Bytes, "0", ""),
];
