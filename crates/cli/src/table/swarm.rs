//! The `swarm` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["swarm"]], "", "Work with the swarm", &[]).group().swarm().since("1.24"),
    command(&[&["swarm", "ca"]], "[OPTIONS]", "Show or change the root certificate", &[SWARM_CA_FLAGS])
        .swarm()
        .since("1.30"),
    command(&[&["swarm", "init"]], "[OPTIONS]", "Begin a swarm", &[SWARM_INIT_FLAGS]).swarm().since("1.24"),
    command(&[&["swarm", "join"]], "[OPTIONS] HOST:PORT", "Join a swarm", &[SWARM_JOIN_FLAGS])
        .takes(1, 1)
        .swarm()
        .since("1.24"),
    command(
        &[&["swarm", "join-token"]],
        "[OPTIONS] (worker|manager)",
        "Show or change the tokens for joining",
        &[SWARM_JOIN_TOKEN_FLAGS],
    )
    .takes(1, 1)
    .swarm()
    .since("1.24"),
    command(&[&["swarm", "leave"]], "[OPTIONS]", "Leave the swarm", &[SWARM_LEAVE_FLAGS]).swarm().since("1.24"),
    command(&[&["swarm", "unlock"]], "", "Unlock the swarm", &[]).swarm().since("1.24"),
    command(
        &[&["swarm", "unlock-key"]],
        "[OPTIONS]",
        "Show or change the key for unlocking",
        &[SWARM_UNLOCK_KEY_FLAGS],
    )
    .swarm()
    .since("1.24"),
    command(&[&["swarm", "update"]], "[OPTIONS]", "Change the swarm", &[SWARM_UPDATE_FLAGS]).swarm().since("1.24"),
];

const SWARM_CA_FLAGS: &[Flag] = &[
    flag("ca-cert", '\0', "pem-file", Kind::Other, "", "File of the root certificate (PEM)"),
    flag("ca-key", '\0', "pem-file", Kind::Other, "", "File of the root key (PEM)"),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", "How long node certificates are valid"),
    flag("detach", 'd', "bool", Kind::Bool, "false", "Return at once"),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", "External certificate authorities"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("rotate", '\0', "bool", Kind::Bool, "false", "Make a new one"),
];

const SWARM_INIT_FLAGS: &[Flag] = &[
    flag(
        "advertise-addr",
        '\0',
        "string",
        Kind::Text,
        "",
        "Address that is told to other nodes (<ip|interface>[:port])",
    ),
    flag("autolock", '\0', "bool", Kind::Bool, "false", "Lock managers until a key is given"),
    flag(
        "availability",
        '\0',
        "string",
        Kind::Text,
        "active",
        "Availability of the node or volume (\"active\", \"pause\", \"drain\")",
    ),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", "How long node certificates are valid"),
    flag("data-path-addr", '\0', "string", Kind::Text, "", "Address or interface for data traffic").since("1.31"),
    flag("data-path-port", '\0', "uint32", Kind::Uint32, "0", "Port for data traffic (1024-49151, 4789 by default)")
        .since("1.40"),
    flag("default-addr-pool", '\0', "ipNetSlice", Kind::Slice, "[]", "Address pools (CIDR)").since("1.39"),
    flag(
        "default-addr-pool-mask-length",
        '\0',
        "uint32",
        Kind::Uint32,
        "24",
        "Prefix length of subnets from the address pools",
    )
    .since("1.39"),
    flag("dispatcher-heartbeat", '\0', "duration", Kind::Duration, "5s", "Time between heartbeats"),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", "External certificate authorities"),
    flag("force-new-cluster", '\0', "bool", Kind::Bool, "false", "Begin a new cluster from the present state"),
    flag("listen-addr", '\0', "node-addr", Kind::Other, "0.0.0.0:2377", "Address to listen on (<ip|interface>[:port])"),
    flag("max-snapshots", '\0', "uint64", Kind::Uint, "0", "Raft snapshots to keep besides the newest").since("1.25"),
    flag("snapshot-interval", '\0', "uint64", Kind::Uint, "10000", "Log entries between Raft snapshots").since("1.25"),
    flag("task-history-limit", '\0', "int64", Kind::Int, "5", "Tasks to remember"),
];

const SWARM_JOIN_FLAGS: &[Flag] = &[
    flag(
        "advertise-addr",
        '\0',
        "string",
        Kind::Text,
        "",
        "Address that is told to other nodes (<ip|interface>[:port])",
    ),
    flag(
        "availability",
        '\0',
        "string",
        Kind::Text,
        "active",
        "Availability of the node or volume (\"active\", \"pause\", \"drain\")",
    ),
    flag("data-path-addr", '\0', "string", Kind::Text, "", "Address or interface for data traffic").since("1.31"),
    flag("listen-addr", '\0', "node-addr", Kind::Other, "0.0.0.0:2377", "Address to listen on (<ip|interface>[:port])"),
    flag("token", '\0', "string", Kind::Text, "", "Token for joining"),
];

const SWARM_JOIN_TOKEN_FLAGS: &[Flag] = &[
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("rotate", '\0', "bool", Kind::Bool, "false", "Make a new one"),
];

const SWARM_LEAVE_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Leave in any case")];

const SWARM_UNLOCK_KEY_FLAGS: &[Flag] = &[
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("rotate", '\0', "bool", Kind::Bool, "false", "Make a new one"),
];

const SWARM_UPDATE_FLAGS: &[Flag] = &[
    flag("autolock", '\0', "bool", Kind::Bool, "false", "Lock managers until a key is given"),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", "How long node certificates are valid"),
    flag("dispatcher-heartbeat", '\0', "duration", Kind::Duration, "5s", "Time between heartbeats"),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", "External certificate authorities"),
    flag("max-snapshots", '\0', "uint64", Kind::Uint, "0", "Raft snapshots to keep besides the newest").since("1.25"),
    flag("snapshot-interval", '\0', "uint64", Kind::Uint, "10000", "Log entries between Raft snapshots").since("1.25"),
    flag("task-history-limit", '\0', "int64", Kind::Int, "5", "Tasks to remember"),
];
