//! Flags of the `inspect` commands.

use super::{Flag, Kind, flag};

pub(super) const INSPECT_FLAGS: &[Flag] = &[
    flag("format", 'f', "string", Kind::Text, "", ""),
    flag("size", 's', "bool", Kind::Bool, "false", ""),
    flag("type", '\0', "string", Kind::Text, "", ""),
];
