//! Flags of the `plugin` commands.

use super::{Flag, Kind, flag};

pub(super) const PLUGIN_CREATE_FLAGS: &[Flag] = &[flag("compress", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const PLUGIN_DISABLE_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const PLUGIN_ENABLE_FLAGS: &[Flag] = &[flag("timeout", '\0', "int", Kind::Int, "30", "")];

pub(super) const PLUGIN_INSPECT_FLAGS: &[Flag] = &[flag("format", 'f', "string", Kind::Text, "", "")];

pub(super) const PLUGIN_INSTALL_FLAGS: &[Flag] = &[
    flag("alias", '\0', "string", Kind::Text, "", ""),
    flag("disable", '\0', "bool", Kind::Bool, "false", ""),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", ""),
];

pub(super) const PLUGIN_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const PLUGIN_PUSH_FLAGS: &[Flag] = &[flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
    .hidden()
    .deprecated("support for docker content trust was removed")];

pub(super) const PLUGIN_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const PLUGIN_UPGRADE_FLAGS: &[Flag] = &[
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("grant-all-permissions", '\0', "bool", Kind::Bool, "false", ""),
    flag("skip-remote-check", '\0', "bool", Kind::Bool, "false", ""),
];
