//! Flags of the `root` commands.

use super::{Flag, Kind, flag};

pub(super) const ROOT_FLAGS: &[Flag] = &[
    flag("config", '\0', "string", Kind::Text, "~/.docker", ""),
    flag("context", 'c', "string", Kind::Text, "", ""),
    flag("debug", 'D', "bool", Kind::Bool, "false", ""),
    flag("host", 'H', "string", Kind::Text, "", ""),
    flag("log-level", 'l', "string", Kind::Text, "info", ""),
    flag("tls", '\0', "bool", Kind::Bool, "false", ""),
    flag("tlscacert", '\0', "string", Kind::Text, "~/.docker/ca.pem", ""),
    flag("tlscert", '\0', "string", Kind::Text, "~/.docker/cert.pem", ""),
    flag("tlskey", '\0', "string", Kind::Text, "~/.docker/key.pem", ""),
    flag("tlsverify", '\0', "bool", Kind::Bool, "false", ""),
    flag("version", 'v', "bool", Kind::Bool, "false", ""),
];
