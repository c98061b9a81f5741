//! Flags of the `node` commands.

use super::{Flag, Kind, flag};

pub(super) const NODE_INSPECT_FLAGS: &[Flag] = &[
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

pub(super) const NODE_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

pub(super) const NODE_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", "Show ids instead of names"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

pub(super) const NODE_RM_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "Remove the node in any case")];

pub(super) const NODE_UPDATE_FLAGS: &[Flag] = &[
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
