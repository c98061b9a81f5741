//! Flags of the `node` commands.

use super::{Flag, Kind, flag};

pub(super) const NODE_INSPECT_FLAGS: &[Flag] =
    &[flag("format", 'f', "string", Kind::Text, "", ""), flag("pretty", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const NODE_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const NODE_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const NODE_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const NODE_UPDATE_FLAGS: &[Flag] = &[
    flag("availability", '\0', "string", Kind::Text, "", ""),
    flag("label-add", '\0', "list", Kind::List, "", ""),
    flag("label-rm", '\0', "list", Kind::List, "", ""),
    flag("role", '\0', "string", Kind::Text, "", ""),
];
