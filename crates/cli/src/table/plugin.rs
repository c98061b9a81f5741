//! The `plugin` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["plugin"]], "", "Work with plugins", &[]).group().since("1.25"),
    command(
        &[&["plugin", "create"]],
        "[OPTIONS] PLUGIN PLUGIN-DATA-DIR",
        "Make a plugin from a directory",
        &[PLUGIN_CREATE_FLAGS],
    )
    .at_least(2),
    command(&[&["plugin", "disable"]], "[OPTIONS] PLUGIN", "Turn a plugin off", &[PLUGIN_DISABLE_FLAGS]).takes(1, 1),
    command(&[&["plugin", "enable"]], "[OPTIONS] PLUGIN", "Turn a plugin on", &[PLUGIN_ENABLE_FLAGS]).takes(1, 1),
    command(
        &[&["plugin", "inspect"]],
        "[OPTIONS] PLUGIN [PLUGIN...]",
        "Show everything about one or more plugins",
        &[PLUGIN_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["plugin", "install"]], "[OPTIONS] PLUGIN [KEY=VALUE...]", "Install a plugin", &[PLUGIN_INSTALL_FLAGS])
        .at_least(1),
    command(&[&["plugin", "ls"]], "[OPTIONS]", "List plugins", &[PLUGIN_LS_FLAGS]).aliases(&["list"]),
    command(&[&["plugin", "push"]], "[OPTIONS] PLUGIN[:TAG]", "Send a plugin to a registry", &[PLUGIN_PUSH_FLAGS])
        .takes(1, 1),
    command(&[&["plugin", "rm"]], "[OPTIONS] PLUGIN [PLUGIN...]", "Delete one or more plugins", &[PLUGIN_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove"]),
    command(&[&["plugin", "set"]], "PLUGIN KEY=VALUE [KEY=VALUE...]", "Change a plugin's settings", &[]).at_least(2),
    command(
        &[&["plugin", "upgrade"]],
        "[OPTIONS] PLUGIN [REMOTE]",
        "Bring a plugin to a newer version",
        &[PLUGIN_UPGRADE_FLAGS],
    )
    .takes(1, 2)
    .since("1.26"),
];

const PLUGIN_CREATE_FLAGS: &[Flag] =
    &[flag("compress", '\0', "bool", Kind::Bool, "false", "Compress what is sent with gzip")];

const PLUGIN_DISABLE_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Turn an active plugin off")];

const PLUGIN_ENABLE_FLAGS: &[Flag] = &[flag("timeout", '\0', "int", Kind::Int, "30", "Seconds to wait for the plugin")];

const PLUGIN_INSPECT_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

const PLUGIN_INSTALL_FLAGS: &[Flag] = &[
    flag("alias", '\0', "string", Kind::Text, "", "Local name of the plugin"),
    flag("disable", '\0', "bool", Kind::Bool, "false", "Leave the plugin off after installing"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", "Give the plugin all it asks for"),
];

const PLUGIN_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const PLUGIN_PUSH_FLAGS: &[Flag] = &[flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
    .hidden()
    .deprecated("support for docker content trust was removed")];

const PLUGIN_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Delete an active plugin")];

const PLUGIN_UPGRADE_FLAGS: &[Flag] = &[
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", "Give the plugin all it asks for"),
    flag("skip-remote-check", '\0', "bool", Kind::Bool, "false", "Do not check whether the plugin is the same one"),
];
