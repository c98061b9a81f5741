//! The `context` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["context"]], "", "Work with contexts", &[]).group(),
    command(&[&["context", "create"]], "[OPTIONS] CONTEXT", "Make a context", &[CONTEXT_CREATE_FLAGS]).takes(1, 1),
    command(&[&["context", "export"]], "[OPTIONS] CONTEXT [FILE|-]", "Write a context to a file", &[]).takes(1, 2),
    command(&[&["context", "import"]], "CONTEXT FILE|-", "Make a context from a file", &[]).takes(2, 2),
    command(
        &[&["context", "inspect"]],
        "[OPTIONS] [CONTEXT] [CONTEXT...]",
        "Show everything about one or more contexts",
        &[CONTEXT_INSPECT_FLAGS],
    )
    .at_least(0),
    command(&[&["context", "ls"]], "[OPTIONS]", "List contexts", &[CONTEXT_LS_FLAGS]).aliases(&["list"]),
    command(&[&["context", "rm"]], "CONTEXT [CONTEXT...]", "Delete one or more contexts", &[CONTEXT_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove"]),
    command(&[&["context", "show"]], "", "Print the current context's name", &[]),
    command(&[&["context", "update"]], "[OPTIONS] CONTEXT", "Change a context", &[CONTEXT_UPDATE_FLAGS]).takes(1, 1),
    command(&[&["context", "use"]], "CONTEXT", "Choose the current context", &[]).takes(1, 1),
];

const CONTEXT_CREATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", "What the context is for"),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", "Set the Docker endpoint"),
    flag("from", '\0', "string", Kind::Text, "", "Make the context from another one"),
];

const CONTEXT_INSPECT_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];

const CONTEXT_LS_FLAGS: &[Flag] = &[
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show names only"),
];

const CONTEXT_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Delete a context that is in use")];

const CONTEXT_UPDATE_FLAGS: &[Flag] = &[
    flag("description", '\0', "string", Kind::Text, "", "What the context is for"),
    flag("docker", '\0', "stringToString", Kind::Pairs, "[]", "Set the Docker endpoint"),
];
