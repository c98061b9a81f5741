//! The `inspect` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[command(
    &[&["inspect"]],
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Show everything about any objects",
    &[INSPECT_FLAGS],
)
.at_least(1)];

const INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("size", 's', "bool", Kind::Bool, "false", "Show sizes"),
    flag("type", '\0', "string", Kind::Text, "", "Look only for objects of this type"),
];
