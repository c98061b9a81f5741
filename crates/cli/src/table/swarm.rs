//! Flags of the `swarm` commands.

use super::{Flag, Kind, flag};

pub(super) const SWARM_CA_FLAGS: &[Flag] = &[
    flag("ca-cert", '\0', "pem-file", Kind::Other, "", ""),
    flag("ca-key", '\0', "pem-file", Kind::Other, "", ""),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", ""),
    flag("detach", 'd', "bool", Kind::Bool, "false", ""),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
    flag("rotate", '\0', "bool", Kind::Bool, "false", ""),
];

pub(super) const SWARM_INIT_FLAGS: &[Flag] = &[
    flag("advertise-addr", '\0', "string", Kind::Text, "", ""),
    flag("autolock", '\0', "bool", Kind::Bool, "false", ""),
    flag("availability", '\0', "string", Kind::Text, "active", ""),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", ""),
    flag("data-path-addr", '\0', "string", Kind::Text, "", "").since("1.31"),
    flag("data-path-port", '\0', "uint32", Kind::Uint32, "0", "").since("1.40"),
    flag("default-addr-pool", '\0', "ipNetSlice", Kind::Slice, "[]", "").since("1.39"),
    flag("default-addr-pool-mask-length", '\0', "uint32", Kind::Uint32, "24", "").since("1.39"),
    flag("dispatcher-heartbeat", '\0', "duration", Kind::Duration, "5s", ""),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", ""),
    flag("force-new-cluster", '\0', "bool", Kind::Bool, "false", ""),
    flag("listen-addr", '\0', "node-addr", Kind::Other, "0.0.0.0:2377", ""),
    flag("max-snapshots", '\0', "uint64", Kind::Uint, "0", "").since("1.25"),
    flag("snapshot-interval", '\0', "uint64", Kind::Uint, "10000", "").since("1.25"),
    flag("task-history-limit", '\0', "int64", Kind::Int, "5", ""),
];

pub(super) const SWARM_JOIN_FLAGS: &[Flag] = &[
    flag("advertise-addr", '\0', "string", Kind::Text, "", ""),
    flag("availability", '\0', "string", Kind::Text, "active", ""),
    flag("data-path-addr", '\0', "string", Kind::Text, "", "").since("1.31"),
    flag("listen-addr", '\0', "node-addr", Kind::Other, "0.0.0.0:2377", ""),
    flag("token", '\0', "string", Kind::Text, "", ""),
];

pub(super) const SWARM_JOIN_TOKEN_FLAGS: &[Flag] =
    &[flag("quiet", 'q', "bool", Kind::Bool, "false", ""), flag("rotate", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const SWARM_LEAVE_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const SWARM_UNLOCK_KEY_FLAGS: &[Flag] =
    &[flag("quiet", 'q', "bool", Kind::Bool, "false", ""), flag("rotate", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const SWARM_UPDATE_FLAGS: &[Flag] = &[
    flag("autolock", '\0', "bool", Kind::Bool, "false", ""),
    flag("cert-expiry", '\0', "duration", Kind::Duration, "2160h0m0s", ""),
    flag("dispatcher-heartbeat", '\0', "duration", Kind::Duration, "5s", ""),
    flag("external-ca", '\0', "external-ca", Kind::Other, "", ""),
    flag("max-snapshots", '\0', "uint64", Kind::Uint, "0", "").since("1.25"),
    flag("snapshot-interval", '\0', "uint64", Kind::Uint, "10000", "").since("1.25"),
    flag("task-history-limit", '\0', "int64", Kind::Int, "5", ""),
];
