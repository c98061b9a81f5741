//! Flags of the `volume` commands.

use super::{Flag, Kind, flag};

pub(super) const VOLUME_CREATE_FLAGS: &[Flag] = &[
    flag("availability", '\0', "string", Kind::Text, "active", "").since("1.42"),
    flag("driver", 'd', "string", Kind::Text, "local", ""),
    flag("group", '\0', "string", Kind::Text, "", "").since("1.42"),
    flag("label", '\0', "list", Kind::List, "", ""),
    flag("limit-bytes", '\0', "bytes", Kind::Bytes, "0", "").since("1.42"),
    flag("name", '\0', "string", Kind::Text, "", "").hidden(),
    flag("opt", 'o', "map", Kind::Map, "map[]", ""),
    flag("required-bytes", '\0', "bytes", Kind::Bytes, "0", "").since("1.42"),
    flag("scope", '\0', "string", Kind::Text, "single", "").since("1.42"),
    flag("secret", '\0', "map", Kind::Map, "map[]", "").since("1.42"),
    flag("sharing", '\0', "string", Kind::Text, "none", "").since("1.42"),
    flag("topology-preferred", '\0', "list", Kind::List, "", "").since("1.42"),
    flag("topology-required", '\0', "list", Kind::List, "", "").since("1.42"),
    flag("type", '\0', "string", Kind::Text, "block", "").since("1.42"),
];

pub(super) const VOLUME_INSPECT_FLAGS: &[Flag] = &[flag("format", 'f', "string", Kind::Text, "", "")];

pub(super) const VOLUME_LS_FLAGS: &[Flag] = &[
    flag("cluster", '\0', "bool", Kind::Bool, "false", "").since("1.42"),
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const VOLUME_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "").since("1.42"),
    flag("filter", '\0', "filter", Kind::Filter, "", ""),
    flag("force", 'f', "bool", Kind::Bool, "false", ""),
];

pub(super) const VOLUME_RM_FLAGS: &[Flag] = &[flag("force", 'f', "bool", Kind::Bool, "false", "").since("1.25")];

pub(super) const VOLUME_UPDATE_FLAGS: &[Flag] =
    &[flag("availability", '\0', "string", Kind::Text, "active", "").since("1.42")];
