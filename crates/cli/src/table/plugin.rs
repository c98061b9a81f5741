//! Flags of the `plugin` commands.

use super::{Flag, Kind, flag};

pub(super) const PLUGIN_CREATE_FLAGS: &[Flag] =
    &[flag("compress", '\0', "bool", Kind::Bool, "false", "Compress what is sent with gzip")];

pub(super) const PLUGIN_DISABLE_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "Turn an active plugin off")];

pub(super) const PLUGIN_ENABLE_FLAGS: &[Flag] =
    &[flag("timeout", '\0', "int", Kind::Int, "30", "Seconds to wait for the plugin")];

pub(super) const PLUGIN_INSPECT_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

pub(super) const PLUGIN_INSTALL_FLAGS: &[Flag] = &[
    flag("alias", '\0', "string", Kind::Text, "", "Local name of the plugin"),
    flag("disable", '\0', "bool", Kind::Bool, "false", "Leave the plugin off after installing"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", "Give the plugin all it asks for"),
];

pub(super) const PLUGIN_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

pub(super) const PLUGIN_PUSH_FLAGS: &[Flag] = &[flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
    .hidden()
    .deprecated("support for docker content trust was removed")];

pub(super) const PLUGIN_RM_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "Delete an active plugin")];

pub(super) const PLUGIN_UPGRADE_FLAGS: &[Flag] = &[
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", "Give the plugin all it asks for"),
    flag("skip-remote-check", '\0', "bool", Kind::Bool, "false", "Do not check whether the plugin is the same one"),
];
