//! Flags of the `login` commands.

use super::{Flag, Kind, flag};

pub(super) const LOGIN_FLAGS: &[Flag] = &[
    flag("password", 'p', "string", Kind::Text, "", "Password or access token, or \"-\" to read it from stdin"),
    flag("password-stdin", '\0', "bool", Kind::Bool, "false", "Read the password or access token from stdin"),
    flag("username", 'u', "string", Kind::Text, "", "User name"),
];
