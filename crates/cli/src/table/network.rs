//! The `network` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["network"]], "", "Work with networks", &[]).group().since("1.21"),
    command(
        &[&["network", "connect"]],
        "[OPTIONS] NETWORK CONTAINER",
        "Connect a container to a network",
        &[NETWORK_CONNECT_FLAGS],
    )
    .takes(2, 2),
    command(&[&["network", "create"]], "[OPTIONS] NETWORK", "Make a network", &[NETWORK_CREATE_FLAGS]).takes(1, 1),
    command(
        &[&["network", "disconnect"]],
        "[OPTIONS] NETWORK CONTAINER",
        "Disconnect a container from a network",
        &[NETWORK_DISCONNECT_FLAGS],
    )
    .takes(2, 2),
    command(
        &[&["network", "inspect"]],
        "[OPTIONS] NETWORK [NETWORK...]",
        "Show everything about one or more networks",
        &[NETWORK_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["network", "ls"]], "[OPTIONS]", "List networks", &[NETWORK_LS_FLAGS]).aliases(&["list"]),
    command(&[&["network", "prune"]], "[OPTIONS]", "Delete all unused networks", &[NETWORK_PRUNE_FLAGS]).since("1.25"),
    command(&[&["network", "rm"]], "NETWORK [NETWORK...]", "Delete one or more networks", &[NETWORK_RM_FLAGS])
        .at_least(1)
        .aliases(&["remove"]),
];

const NETWORK_CONNECT_FLAGS: &[Flag] = &[
    flag("alias", '\0', "stringSlice", Kind::Slice, "[]", "Another name of the container on this network"),
    flag("driver-opt", '\0', "stringSlice", Kind::Slice, "[]", "Options for the network's driver"),
    flag("gw-priority", '\0', "int", Kind::Int, "0", "The endpoint with the highest number gives the default gateway"),
    flag("ip", '\0', "ip", Kind::Ip, "<nil>", "IPv4 address (such as 172.30.100.104)"),
    flag("ip6", '\0', "ip", Kind::Ip, "<nil>", "IPv6 address (such as 2001:db8::33)"),
    flag("link", '\0', "list", Kind::List, "", "Link to another container"),
    flag("link-local-ip", '\0', "ipSlice", Kind::Slice, "[]", "Link-local addresses"),
];

const NETWORK_CREATE_FLAGS: &[Flag] = &[
    flag("attachable", '\0', "bool", Kind::Bool, "false", "Let containers be connected by hand").since("1.25"),
    flag("aux-address", '\0', "map", Kind::Map, "map[]", "Addresses that the driver must leave alone"),
    flag("config-from", '\0', "string", Kind::Text, "", "Network to take the configuration from").since("1.30"),
    flag("config-only", '\0', "bool", Kind::Bool, "false", "Make a network that is only a configuration").since("1.30"),
    flag("driver", 'd', "string", Kind::Text, "bridge", "Driver of the network"),
    flag("gateway", '\0', "ipSlice", Kind::Slice, "[]", "Gateway of the subnet"),
    flag("ingress", '\0', "bool", Kind::Bool, "false", "Make the swarm's routing-mesh network").since("1.29"),
    flag("internal", '\0', "bool", Kind::Bool, "false", "No way to the outside"),
    flag("ip-range", '\0', "ipNetSlice", Kind::Slice, "[]", "Range of the subnet that containers get addresses from"),
    flag("ipam-driver", '\0', "string", Kind::Text, "default", "Driver that hands addresses out"),
    flag("ipam-opt", '\0', "map", Kind::Map, "map[]", "Options for that driver"),
    flag("ipv4", '\0', "bool", Kind::Bool, "true", "Use IPv4"),
    flag("ipv6", '\0', "bool", Kind::Bool, "false", "Use IPv6"),
    flag("label", '\0', "list", Kind::List, "", "Set a label"),
    flag("opt", 'o', "map", Kind::Map, "map[]", "Options for the driver"),
    flag("scope", '\0', "string", Kind::Text, "", "Scope of the network").since("1.30"),
    flag("subnet", '\0', "stringSlice", Kind::Slice, "[]", "Subnet, as CIDR"),
];

const NETWORK_DISCONNECT_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "Disconnect in any case")];

const NETWORK_INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("verbose", 'v', "bool", Kind::Bool, "false", "Show more"),
];

const NETWORK_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const NETWORK_PRUNE_FLAGS: &[Flag] = &[
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
];

const NETWORK_RM_FLAGS: &[Flag] =
    &[flag("force", 'f', "bool", Kind::Bool, "false", "No error when the network does not exist")];
