//! The `config` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["config"]], "", "Work with Swarm configs", &[]).group().swarm().since("1.30"),
    command(
        &[&["config", "create"]],
        "[OPTIONS] CONFIG file|-",
        "Make a config from a file or stdin",
        &[CONFIG_CREATE_FLAGS],
    )
    .takes(2, 2),
    command(
        &[&["config", "inspect"]],
        "[OPTIONS] CONFIG [CONFIG...]",
        "Show everything about one or more configs",
        &[CONFIG_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["config", "ls"]], "[OPTIONS]", "List configs", &[CONFIG_LS_FLAGS]).aliases(&["list"]),
    command(&[&["config", "rm"]], "CONFIG [CONFIG...]", "Delete one or more configs", &[])
        .at_least(1)
        .aliases(&["remove"]),
];

const CONFIG_CREATE_FLAGS: &[Flag] = &[
    flag("label", 'l', "list", Kind::List, "", "Set a label"),
    flag("template-driver", '\0', "string", Kind::Text, "", "Driver for templates").since("1.37"),
];

const CONFIG_INSPECT_FLAGS: &[Flag] = &[
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

const CONFIG_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];
