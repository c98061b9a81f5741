//! Flags of the `secret` commands.

use super::{Flag, Kind, flag};

pub(super) const SECRET_CREATE_FLAGS: &[Flag] = &[
    flag("driver", 'd', "string", Kind::Text, "", "").since("1.31"),
    flag("label", 'l', "list", Kind::List, "", ""),
    flag("template-driver", '\0', "string", Kind::Text, "", "").since("1.37"),
];

pub(super) const SECRET_INSPECT_FLAGS: &[Flag] =
    &[flag("format", 'f', "string", Kind::Text, "", ""), flag("pretty", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const SECRET_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];
