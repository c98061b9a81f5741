//! The `node` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["node"]], "", "Work with Swarm nodes", &[]).group().swarm().since("1.24"),
    command(&[&["node", "demote"]], "NODE [NODE...]", "Turn managers into workers", &[]).at_least(1),
    command(
        &[&["node", "inspect"]],
        "[OPTIONS] self|NODE [NODE...]",
        "Show everything about one or more nodes",
        &[NODE_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["node", "ls"]], "[OPTIONS]", "List the nodes of the swarm", &[NODE_LS_FLAGS]).aliases(&["list"]),
    command(&[&["node", "promote"]], "NODE [NODE...]", "Turn workers into managers", &[]).at_least(1),
    command(&[&["node", "ps"]], "[OPTIONS] [NODE...]", "List the tasks on one or more nodes", &[NODE_PS_FLAGS])
        .at_least(0),
    command(&[&["node", "rm"]], "[OPTIONS] NODE [NODE...]", "Remove nodes from the swarm", &[NODE_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove"]),
    command(&[&["node", "update"]], "[OPTIONS] NODE", "Change a node", &[NODE_UPDATE_FLAGS]).takes(1, 1),
];

const NODE_INSPECT_FLAGS: &[Flag] = &[
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

const NODE_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const NODE_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", "Show ids instead of names"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const NODE_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Remove the node in any case")];

const NODE_UPDATE_FLAGS: &[Flag] = &[
    flag(
        "availability",
        '\0',
        "string",
        Kind::Text,
        "",
        "Availability of the node or volume (\"active\", \"pause\", \"drain\")",
    ),
    flag("label-add", '\0', "list", Kind::List, "", "Add or change a label"),
    flag("label-rm", '\0', "list", Kind::List, "", "Take a label away"),
    flag("role", '\0', "string", Kind::Text, "", "Role of the node (\"worker\", \"manager\")"),
];
