//! `docker` itself, and commands that belong to no group.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(
        &[&[]],
        "[OPTIONS] COMMAND [ARG...]",
        "Run and manage containers, images, networks and volumes",
        &[ROOT_FLAGS],
    )
    .at_least(0)
    .group(),
    command(&[&["bake"]], "[OPTIONS] [TARGET...]", "Build from a bake file", &[])
        .plugin("docker buildx bake")
        .at_least(0)
        .since("1.31"),
    command(&[&["help"]], "[command]", "Show help for a command", &[]).at_least(0),
    command(&[&["logout"]], "[SERVER]", "Log out from a registry", &[]).takes(0, 1),
];

const ROOT_FLAGS: &[Flag] = &[
    flag("config", '\0', "string", Kind::Text, "~/.docker", "Directory of the client's configuration"),
    flag(
        "context",
        'c',
        "string",
        Kind::Text,
        "",
        "Context to use instead of DOCKER_HOST and the one chosen with \"docker context use\"",
    ),
    flag("debug", 'D', "bool", Kind::Bool, "false", "Say more"),
    flag("host", 'H', "string", Kind::Text, "", "Address of the engine"),
    flag(
        "log-level",
        'l',
        "string",
        Kind::Text,
        "info",
        "How much is logged (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")",
    ),
    flag("tls", '\0', "bool", Kind::Bool, "false", "Use TLS; implied by --tlsverify"),
    flag(
        "tlscacert",
        '\0',
        "string",
        Kind::Text,
        "~/.docker/ca.pem",
        "Trust only certificates signed by this authority",
    ),
    flag("tlscert", '\0', "string", Kind::Text, "~/.docker/cert.pem", "TLS certificate to show"),
    flag("tlskey", '\0', "string", Kind::Text, "~/.docker/key.pem", "Key of that certificate"),
    flag("tlsverify", '\0', "bool", Kind::Bool, "false", "Use TLS and check the engine's certificate"),
    flag("version", 'v', "bool", Kind::Bool, "false", "Print the version and end"),
];
