//! The `login` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] =
    &[command(&[&["login"]], "[OPTIONS] [SERVER]", "Log in to a registry", &[LOGIN_FLAGS]).takes(0, 1)];

const LOGIN_FLAGS: &[Flag] = &[
    flag("password", 'p', "string", Kind::Text, "", "Password or access token, or \"-\" to read it from stdin"),
    flag("password-stdin", '\0', "bool", Kind::Bool, "false", "Read the password or access token from stdin"),
    flag("username", 'u', "string", Kind::Text, "", "User name"),
];
