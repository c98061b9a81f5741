//! Flags of the `image` commands.

use super::{Flag, Kind, flag};

pub(super) const IMAGE_BUILD_FLAGS: &[Flag] = &[
    flag("add-host", '\0', "list", Kind::List, "", ""),
    flag("build-arg", '\0', "list", Kind::List, "", ""),
    flag("cache-from", '\0', "stringSlice", Kind::Slice, "[]", ""),
    flag("cgroup-parent", '\0', "string", Kind::Text, "", ""),
    flag("compress", '\0', "bool", Kind::Bool, "false", ""),
    flag("cpu-period", '\0', "int64", Kind::Int, "0", ""),
    flag("cpu-quota", '\0', "int64", Kind::Int, "0", ""),
    flag("cpu-shares", 'c', "int64", Kind::Int, "0", ""),
    flag("cpuset-cpus", '\0', "string", Kind::Text, "", ""),
    flag("cpuset-mems", '\0', "string", Kind::Text, "", ""),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("file", 'f', "string", Kind::Text, "", ""),
    flag("force-rm", '\0', "bool", Kind::Bool, "false", ""),
    flag("iidfile", '\0', "string", Kind::Text, "", ""),
    flag("isolation", '\0', "string", Kind::Text, "", ""),
    flag("label", '\0', "list", Kind::List, "", ""),
    flag("memory", 'm', "bytes", Kind::Bytes, "0", ""),
    flag("memory-swap", '\0', "bytes", Kind::Bytes, "0", ""),
    flag("network", '\0', "string", Kind::Text, "default", "").since("1.25"),
    flag("no-cache", '\0', "bool", Kind::Bool, "false", ""),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.38"),
    flag("pull", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
    flag("rm", '\0', "bool", Kind::Bool, "true", ""),
    flag("security-opt", '\0', "stringSlice", Kind::Slice, "[]", ""),
    flag("shm-size", '\0', "bytes", Kind::Bytes, "0", ""),
    flag("squash", '\0', "bool", Kind::Bool, "false", "").since("1.25").experimental(),
    flag("tag", 't', "list", Kind::List, "", ""),
    flag("target", '\0', "string", Kind::Text, "", ""),
    flag("ulimit", '\0', "ulimit", Kind::Ulimit, "[]", ""),
];

pub(super) const IMAGE_HISTORY_FLAGS: &[Flag] = &[
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("human", 'H', "bool", Kind::Bool, "true", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.48"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const IMAGE_IMPORT_FLAGS: &[Flag] = &[
    flag("change", 'c', "list", Kind::List, "", ""),
    flag("message", 'm', "string", Kind::Text, "", ""),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.32"),
];

pub(super) const IMAGE_INSPECT_FLAGS: &[Flag] = &[
    flag("format", 'f', "string", Kind::Text, "", ""),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.49"),
];

pub(super) const IMAGE_LOAD_FLAGS: &[Flag] = &[
    flag("input", 'i', "string", Kind::Text, "", ""),
    flag("platform", '\0', "stringSlice", Kind::Slice, "[]", "").since("1.48"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const IMAGE_LS_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", ""),
    flag("digests", '\0', "bool", Kind::Bool, "false", ""),
    flag("filter", 'f', "filter", Kind::Filter, "", ""),
    flag("format", '\0', "string", Kind::Text, "", ""),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", ""),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
    flag("tree", '\0', "bool", Kind::Bool, "false", "").since("1.47").experimental(),
];

pub(super) const IMAGE_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", ""),
    flag("filter", '\0', "filter", Kind::Filter, "", ""),
    flag("force", 'f', "bool", Kind::Bool, "false", ""),
];

pub(super) const IMAGE_PULL_FLAGS: &[Flag] = &[
    flag("all-tags", 'a', "bool", Kind::Bool, "false", ""),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.32"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const IMAGE_PUSH_FLAGS: &[Flag] = &[
    flag("all-tags", 'a', "bool", Kind::Bool, "false", ""),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("platform", '\0', "string", Kind::Text, "", "").since("1.46"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", ""),
];

pub(super) const IMAGE_RM_FLAGS: &[Flag] = &[
    flag("force", 'f', "bool", Kind::Bool, "false", ""),
    flag("no-prune", '\0', "bool", Kind::Bool, "false", ""),
    flag("platform", '\0', "stringSlice", Kind::Slice, "[]", "").since("1.50"),
];

pub(super) const IMAGE_SAVE_FLAGS: &[Flag] = &[
    flag("output", 'o', "string", Kind::Text, "", ""),
    flag("platform", '\0', "stringSlice", Kind::Slice, "[]", "").since("1.48"),
];
