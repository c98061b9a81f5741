//! The `secret` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["secret"]], "", "Work with Swarm secrets", &[]).group().swarm().since("1.25"),
    command(
        &[&["secret", "create"]],
        "[OPTIONS] SECRET [file|-]",
        "Make a secret from a file or stdin",
        &[SECRET_CREATE_FLAGS],
    )
    .takes(1, 2),
    command(
        &[&["secret", "inspect"]],
        "[OPTIONS] SECRET [SECRET...]",
        "Show everything about one or more secrets",
        &[SECRET_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["secret", "ls"]], "[OPTIONS]", "List secrets", &[SECRET_LS_FLAGS]).aliases(&["list"]),
    command(&[&["secret", "rm"]], "SECRET [SECRET...]", "Delete one or more secrets", &[])
        .at_least(1)
        .aliases(&["remove"]),
];

const SECRET_CREATE_FLAGS: &[Flag] = &[
    flag("driver", 'd', "string", Kind::Text, "", "Driver to use").since("1.31"),
    flag("label", 'l', "list", Kind::List, "", "Set a label"),
    flag("template-driver", '\0', "string", Kind::Text, "", "Driver for templates").since("1.37"),
];

const SECRET_INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("pretty", '\0', "bool", Kind::Bool, "false", "Show it for people"),
];

const SECRET_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];
