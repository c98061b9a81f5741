//! The `system` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(
        &[&["system", "events"], &["events"]],
        "[OPTIONS]",
        "Watch what happens in the engine",
        &[SYSTEM_EVENTS_FLAGS],
    ),
    command(
        &[&["system", "info"], &["info"]],
        "[OPTIONS]",
        "Show facts about the engine and its machine",
        &[SYSTEM_INFO_FLAGS],
    ),
    command(&[&["system"]], "", "Work with the engine", &[]).group(),
    command(&[&["system", "df"]], "[OPTIONS]", "Show how much disk space is used", &[SYSTEM_DF_FLAGS]).since("1.25"),
    command(&[&["system", "check"]], "[OPTIONS]", "Verify every image, layer and record", &[SYSTEM_CHECK_FLAGS])
        .hidden(),
    command(&[&["system", "dial-stdio"]], "", "Connect stdin and stdout to the engine", &[]).hidden(),
    command(&[&["system", "prune"]], "[OPTIONS]", "Delete unused data", &[SYSTEM_PRUNE_FLAGS]).since("1.25"),
];

const SYSTEM_EVENTS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag(
        "format",
        '\0',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag(
        "since",
        '\0',
        "string",
        Kind::Text,
        "",
        "From this time on (such as 2013-01-02T13:23:37Z), or for so long (such as 42m)",
    ),
    flag(
        "until",
        '\0',
        "string",
        Kind::Text,
        "",
        "Up to this time (such as 2013-01-02T13:23:37Z), or so long ago (such as 42m)",
    ),
];

const SYSTEM_CHECK_FLAGS: &[Flag] =
    &[flag("repair", '\0', "bool", Kind::Bool, "false", "Mend what can be mended, put aside what is bad")];

const SYSTEM_INFO_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

const SYSTEM_DF_FLAGS: &[Flag] = &[
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("verbose", 'v', "bool", Kind::Bool, "false", "Show more"),
];

const SYSTEM_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "Delete every image without a container, not only dangling ones"),
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")").since("1.28"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
    flag("volumes", '\0', "bool", Kind::Bool, "false", "Delete anonymous volumes, too"),
];
