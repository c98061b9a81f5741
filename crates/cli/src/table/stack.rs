//! The `stack` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["stack"]], "[OPTIONS]", "Work with Swarm stacks", &[STACK_FLAGS]).group().swarm().since("1.25"),
    command(
        &[&["stack", "config"]],
        "[OPTIONS]",
        "Print the merged and interpolated configuration",
        &[STACK_CONFIG_FLAGS],
    ),
    command(&[&["stack", "deploy"]], "[OPTIONS] STACK", "Make or change a stack", &[STACK_DEPLOY_FLAGS])
        .takes(1, 1)
        .aliases(&["up"]),
    command(&[&["stack", "ls"]], "[OPTIONS]", "List stacks", &[STACK_LS_FLAGS]).aliases(&["list"]),
    command(&[&["stack", "ps"]], "[OPTIONS] STACK", "List a stack's tasks", &[STACK_PS_FLAGS]).takes(1, 1),
    command(&[&["stack", "rm"]], "[OPTIONS] STACK [STACK...]", "Delete one or more stacks", &[STACK_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove", "down"]),
    command(&[&["stack", "services"]], "[OPTIONS] STACK", "List a stack's services", &[STACK_SERVICES_FLAGS])
        .takes(1, 1),
];

const STACK_FLAGS: &[Flag] =
    &[flag("orchestrator", '\0', "string", Kind::Text, "", "").hidden().deprecated("option will be ignored")];

const STACK_CONFIG_FLAGS: &[Flag] = &[
    flag("compose-file", 'c', "stringSlice", Kind::Slice, "[]", "Path of a Compose file, or \"-\" for stdin"),
    flag("skip-interpolation", '\0', "bool", Kind::Bool, "false", "Leave variables as they are"),
];

const STACK_DEPLOY_FLAGS: &[Flag] = &[
    flag("compose-file", 'c', "stringSlice", Kind::Slice, "[]", "Path of a Compose file, or \"-\" for stdin")
        .since("1.25"),
    flag("detach", 'd', "bool", Kind::Bool, "true", "Return at once"),
    flag("prune", '\0', "bool", Kind::Bool, "false", "Delete services that are no longer mentioned").since("1.27"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag(
        "resolve-image",
        '\0',
        "string",
        Kind::Text,
        "always",
        "Ask the registry for digest and platforms (\"always\", \"changed\", \"never\")",
    )
    .since("1.30"),
    flag("with-registry-auth", '\0', "bool", Kind::Bool, "false", "Send the registry's credentials to the nodes"),
];

const STACK_LS_FLAGS: &[Flag] = &[flag("format", '\0', "string", Kind::Text, "", "How to show the result:")];

const STACK_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", "Show ids instead of names"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const STACK_RM_FLAGS: &[Flag] = &[flag("detach", 'd', "bool", Kind::Bool, "true", "Return at once")];

const STACK_SERVICES_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];
