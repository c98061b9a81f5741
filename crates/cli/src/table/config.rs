//! Flags of the `config` commands.

use super::{Flag, Kind, flag};

pub(super) const CONFIG_CREATE_FLAGS: &[Flag] = &[
    flag("label", 'l', "list", Kind::List, "", "Set a label"),
    flag("template-driver", '\0', "string", Kind::Text, "", "Driver for templates").since("1.37"),
];

pub(super) const CONFIG_INSPECT_FLAGS: &[Flag] = &[
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

pub(super) const CONFIG_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];
