//! Flags of the `manifest` commands.

use super::{Flag, Kind, flag};

pub(super) const MANIFEST_ANNOTATE_FLAGS: &[Flag] = &[
    flag("arch", '\0', "string", Kind::Text, "", "Set the architecture"),
    flag("os", '\0', "string", Kind::Text, "", "Set the operating system"),
    flag("os-features", '\0', "stringSlice", Kind::Slice, "[]", "Set a feature of the operating system"),
    flag("os-version", '\0', "string", Kind::Text, "", "Set the version of the operating system"),
    flag("variant", '\0', "string", Kind::Text, "", "Set the variant of the architecture"),
];

pub(super) const MANIFEST_CREATE_FLAGS: &[Flag] = &[
    flag("amend", 'a', "bool", Kind::Bool, "false", "Change an existing manifest list"),
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
];

pub(super) const MANIFEST_INSPECT_FLAGS: &[Flag] = &[
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
    flag("verbose", 'v', "bool", Kind::Bool, "false", "Show more"),
];

pub(super) const MANIFEST_PUSH_FLAGS: &[Flag] = &[
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
    flag("purge", 'p', "bool", Kind::Bool, "false", "Delete the local list after pushing"),
];
