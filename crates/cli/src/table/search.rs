//! Flags of the `search` commands.

use super::{Flag, Kind, flag};

pub(super) const SEARCH_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("limit", '\0', "int", Kind::Int, "0", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
];
