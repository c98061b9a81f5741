//! Flags of the `stack` commands.

use super::{Flag, Kind, flag};

pub(super) const STACK_FLAGS: &[Flag] =
    &[flag("orchestrator", '\0', "string", Kind::Text, "", "").hidden().deprecated("option will be ignored")];

pub(super) const STACK_CONFIG_FLAGS: &[Flag] = &[
    flag("compose-file", 'c', "stringSlice", Kind::Slice, "[]", ""),
    flag("skip-interpolation", '\0', "bool", Kind::Bool, "false", ""),
];

pub(super) const STACK_DEPLOY_FLAGS: &[Flag] = &[
    flag("compose-file", 'c', "stringSlice", Kind::Slice, "[]", "").since("1.25"),
    flag("detach", 'd', "bool", Kind::Bool, "true", ""),
    flag("prune", '\0', "bool", Kind::Bool, "false", "").since("1.27"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
    flag("resolve-image", '\0', "string", Kind::Text, "always", "").since("1.30"),
    flag("with-registry-auth", '\0', "bool", Kind::Bool, "false", ""),
];

pub(super) const STACK_LS_FLAGS: &[Flag] = &[flag("format", '\0', "string", Kind::Text, "", "")];

pub(super) const STACK_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const STACK_RM_FLAGS: &[Flag] = &[flag("detach", 'd', "bool", Kind::Bool, "true", "")];

pub(super) const STACK_SERVICES_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];
