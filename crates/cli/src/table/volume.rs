//! The `volume` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["volume"]], "COMMAND", "Work with volumes", &[]).group().since("1.21"),
    command(&[&["volume", "create"]], "[OPTIONS] [VOLUME]", "Make a volume", &[VOLUME_CREATE_FLAGS]).takes(0, 1),
    command(
        &[&["volume", "inspect"]],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Show everything about one or more volumes",
        &[VOLUME_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["volume", "ls"]], "[OPTIONS]", "List volumes", &[VOLUME_LS_FLAGS]).aliases(&["list"]),
    command(&[&["volume", "prune"]], "[OPTIONS]", "Delete unused local volumes", &[VOLUME_PRUNE_FLAGS]).since("1.25"),
    command(&[&["volume", "rm"]], "[OPTIONS] VOLUME [VOLUME...]", "Delete one or more volumes", &[VOLUME_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove"]),
    command(
        &[&["volume", "update"]],
        "[OPTIONS] [VOLUME]",
        "Change a volume (cluster volumes only)",
        &[VOLUME_UPDATE_FLAGS],
    )
    .takes(1, 1)
    .swarm()
    .since("1.42"),
];

const VOLUME_CREATE_FLAGS: &[Flag] = &[
    flag(
        "availability",
        '\0',
        "string",
        Kind::Text,
        "active",
        "Availability of the node or volume (\"active\", \"pause\", \"drain\")",
    )
    .since("1.42"),
    flag("driver", 'd', "string", Kind::Text, "local", "Driver of the volume"),
    flag("group", '\0', "string", Kind::Text, "", "Group of the cluster volume").since("1.42"),
    flag("label", '\0', "list", Kind::List, "", "Set a label"),
    flag("limit-bytes", '\0', "bytes", Kind::Bytes, "0", "Largest size of the cluster volume").since("1.42"),
    flag("name", '\0', "string", Kind::Text, "", "Name of the volume").hidden(),
    flag("opt", 'o', "map", Kind::Map, "map[]", "Options for the driver"),
    flag("required-bytes", '\0', "bytes", Kind::Bytes, "0", "Smallest size of the cluster volume").since("1.42"),
    flag("scope", '\0', "string", Kind::Text, "single", "Who can reach the cluster volume (\"single\", \"multi\")")
        .since("1.42"),
    flag("secret", '\0', "map", Kind::Map, "map[]", "Secrets of the cluster volume").since("1.42"),
    flag(
        "sharing",
        '\0',
        "string",
        Kind::Text,
        "none",
        "How the cluster volume is shared (\"none\", \"readonly\", \"onewriter\", \"all\")",
    )
    .since("1.42"),
    flag("topology-preferred", '\0', "list", Kind::List, "", "Where the cluster volume should be reachable")
        .since("1.42"),
    flag("topology-required", '\0', "list", Kind::List, "", "Where the cluster volume must be reachable").since("1.42"),
    flag("type", '\0', "string", Kind::Text, "block", "How the cluster volume is used (\"mount\", \"block\")")
        .since("1.42"),
];

const VOLUME_INSPECT_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

const VOLUME_LS_FLAGS: &[Flag] = &[
    flag("cluster", '\0', "bool", Kind::Bool, "false", "List cluster volumes only").since("1.42"),
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show names only"),
];

const VOLUME_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "Delete named volumes, too").since("1.42"),
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
];

const VOLUME_RM_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "Delete the volume in any case").since("1.25")];

const VOLUME_UPDATE_FLAGS: &[Flag] = &[flag(
    "availability",
    '\0',
    "string",
    Kind::Text,
    "active",
    "Availability of the node or volume (\"active\", \"pause\", \"drain\")",
)
.since("1.42")];
