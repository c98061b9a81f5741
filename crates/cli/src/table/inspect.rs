//! Flags of the `inspect` commands.

use super::{Flag, Kind, flag};

pub(super) const INSPECT_FLAGS: &[Flag] = &[
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
