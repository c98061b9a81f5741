//! Flags of the `context` commands.

use super::{Flag, Kind, flag};

pub(super) const CONTEXT_CREATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", ""),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", ""),
    flag("from", '\0', "string", Kind::Text, "", ""),
];

pub(super) const CONTEXT_INSPECT_FLAGS: &[Flag] = &[flag("format", 'f', "string", Kind::Text, "", "")];

pub(super) const CONTEXT_LS_FLAGS: &[Flag] =
    &[flag("format", '\0', "string", Kind::Text, "", ""), flag("quiet", 'q', "bool", Kind::Bool, "false", "")];

pub(super) const CONTEXT_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const CONTEXT_UPDATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", ""),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", ""),
];
