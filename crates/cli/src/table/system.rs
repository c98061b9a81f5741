//! Flags of the `system` commands.

use super::{Flag, Kind, flag};

pub(super) const SYSTEM_EVENTS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("since", '\0', "string", Kind::Text, "", ""),
    flag("until", '\0', "string", Kind::Text, "", ""),
];

pub(super) const SYSTEM_INFO_FLAGS: &[Flag] = &[flag("format", 'f', "string", Kind::Text, "", "")];

pub(super) const SYSTEM_DF_FLAGS: &[Flag] =
    &[flag("format", '\0', "string", Kind::Text, "", ""), flag("verbose", 'v', "bool", Kind::Bool, "false", "")];

pub(super) const SYSTEM_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", ""),
    flag("filter", '\0', "filter", Kind::Filter, "", "").since("1.28"),
    flag("force", 'f', "bool", Kind::Bool, "false", ""),
    flag("volumes", '\0', "bool", Kind::Bool, "false", ""),
];
