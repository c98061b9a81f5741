//! Flags of the `context` commands.

use super::{Flag, Kind, flag};

pub(super) const CONTEXT_CREATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", "What the context is for"),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", "Set the Docker endpoint"),
    flag("from", '\0', "string", Kind::Text, "", "Make the context from another one"),
];

pub(super) const CONTEXT_INSPECT_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

pub(super) const CONTEXT_LS_FLAGS: &[Flag] = &[
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show names only"),
];

pub(super) const CONTEXT_RM_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "Delete a context that is in use")];

pub(super) const CONTEXT_UPDATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", "What the context is for"),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", "Set the Docker endpoint"),
];
