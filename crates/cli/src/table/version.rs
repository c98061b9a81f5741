//! The `version` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] =
    &[command(&[&["version"]], "[OPTIONS]", "Show the versions of client and engine", &[VERSION_FLAGS])];

const VERSION_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];
