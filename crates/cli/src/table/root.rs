//! Flags of the `root` commands.

use super::{Flag, Kind, flag};

pub(super) const ROOT_FLAGS: &[Flag] = &[
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
