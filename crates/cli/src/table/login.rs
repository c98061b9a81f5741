//! Flags of the `login` commands.

use super::{Flag, Kind, flag};

pub(super) const LOGIN_FLAGS: &[Flag] = &[
    flag("password", 'p', "string", Kind::Text, "", ""),
    flag("password-stdin", '\0', "bool", Kind::Bool, "false", ""),
    flag("username", 'u', "string", Kind::Text, "", ""),
];
