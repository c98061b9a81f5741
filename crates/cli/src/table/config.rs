//! Flags of the `config` commands.

use super::{Flag, Kind, flag};

pub(super) const CONFIG_CREATE_FLAGS: &[Flag] = &[
    flag("label", 'l', "list", Kind::List, "", ""),
    flag("template-driver", '\0', "string", Kind::Text, "", "").since("1.37"),
];

pub(super) const CONFIG_INSPECT_FLAGS: &[Flag] =
    &[flag("format", 'f', "string", Kind::Text, "", ""), flag("pretty", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const CONFIG_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];
