//! Flags of the `network` commands.

use super::{Flag, Kind, flag};

pub(super) const NETWORK_CONNECT_FLAGS: &[Flag] = &[
    flag("alias", '\0', "stringSlice", Kind::Slice, "[]", ""),
    flag("driver-opt", '\0', "stringSlice", Kind::Slice, "[]", ""),
    flag("gw-priority", '\0', "int", Kind::Int, "0", ""),
    flag("ip", '\0', "ip", Kind::Ip, "<nil>", ""),
    flag("ip6", '\0', "ip", Kind::Ip, "<nil>", ""),
    flag("link", '\0', "list", Kind::List, "", ""),
    flag("link-local-ip", '\0', "ipSlice", Kind::Slice, "[]", ""),
];

pub(super) const NETWORK_CREATE_FLAGS: &[Flag] = &[
    flag("attachable", '\0', "bool", Kind::Bool, "false", "").since("1.25"),
    flag("aux-address", '\0', "map", Kind::Map, "map[]", ""),
    flag("config-from", '\0', "string", Kind::Text, "", "").since("1.30"),
    flag("config-only", '\0', "bool", Kind::Bool, "false", "").since("1.30"),
    flag("driver", 'd', "string", Kind::Text, "bridge", ""),
    flag("gateway", '\0', "ipSlice", Kind::Slice, "[]", ""),
    flag("ingress", '\0', "bool", Kind::Bool, "false", "").since("1.29"),
    flag("internal", '\0', "bool", Kind::Bool, "false", ""),
    flag("ip-range", '\0', "ipNetSlice", Kind::Slice, "[]", ""),
    flag("ipam-driver", '\0', "string", Kind::Text, "default", ""),
    flag("ipam-opt", '\0', "map", Kind::Map, "map[]", ""),
    flag("ipv4", '\0', "bool", Kind::Bool, "true", ""),
    flag("ipv6", '\0', "bool", Kind::Bool, "false", ""),
    flag("label", '\0', "list", Kind::List, "", ""),
    flag("opt", 'o', "map", Kind::Map, "map[]", ""),
    flag("scope", '\0', "string", Kind::Text, "", "").since("1.30"),
    flag("subnet", '\0', "stringSlice", Kind::Slice, "[]", ""),
];

pub(super) const NETWORK_DISCONNECT_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const NETWORK_INSPECT_FLAGS: &[Flag] =
    &[flag("format", 'f', "string", Kind::Text, "", ""), flag("verbose", 'v', "bool", Kind::Bool, "false", "")];

pub(super) const NETWORK_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const NETWORK_PRUNE_FLAGS: &[Flag] =
    &[flag("filter", '\0', "filter", Kind::Filter, "", ""), flag("force", 'f', "bool", Kind::Bool, "false", "")];

pub(super) const NETWORK_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "")];
