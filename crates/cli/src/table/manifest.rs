//! Flags of the `manifest` commands.

use super::{Flag, Kind, flag};

pub(super) const MANIFEST_ANNOTATE_FLAGS: &[Flag] = &[
    flag("arch", '\0', "string", Kind::Text, "", ""),
    flag("os", '\0', "string", Kind::Text, "", ""),
    flag("os-features", '\0', "stringSlice", Kind::Slice, "[]", ""),
    flag("os-version", '\0', "string", Kind::Text, "", ""),
    flag("variant", '\0', "string", Kind::Text, "", ""),
];

pub(super) const MANIFEST_CREATE_FLAGS: &[Flag] =
    &[flag("amend", 'a', "bool", Kind::Bool, "false", ""), flag("insecure", '\0', "bool", Kind::Bool, "false", "")];

pub(super) const MANIFEST_INSPECT_FLAGS: &[Flag] =
    &[flag("insecure", '\0', "bool", Kind::Bool, "false", ""), flag("verbose", 'v', "bool", Kind::Bool, "false", "")];

pub(super) const MANIFEST_PUSH_FLAGS: &[Flag] =
    &[flag("insecure", '\0', "bool", Kind::Bool, "false", ""), flag("purge", 'p', "bool", Kind::Bool, "false", "")];
