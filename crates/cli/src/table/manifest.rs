//! The `manifest` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["manifest"]], "COMMAND", "Work with image manifests and manifest lists", &[]).group().experimental(),
    command(
        &[&["manifest", "annotate"]],
        "[OPTIONS] MANIFEST_LIST MANIFEST",
        "Add details to an image in a local manifest list",
        &[MANIFEST_ANNOTATE_FLAGS],
    )
    .takes(2, 2),
    command(
        &[&["manifest", "create"]],
        "MANIFEST_LIST MANIFEST [MANIFEST...]",
        "Make a local manifest list",
        &[MANIFEST_CREATE_FLAGS],
    )
    .at_least(2),
    command(
        &[&["manifest", "inspect"]],
        "[OPTIONS] [MANIFEST_LIST] MANIFEST",
        "Show a manifest or manifest list",
        &[MANIFEST_INSPECT_FLAGS],
    )
    .takes(1, 2),
    command(
        &[&["manifest", "push"]],
        "[OPTIONS] MANIFEST_LIST",
        "Send a manifest list to a registry",
        &[MANIFEST_PUSH_FLAGS],
    )
    .takes(1, 1),
    command(&[&["manifest", "rm"]], "MANIFEST_LIST [MANIFEST_LIST...]", "Delete local manifest lists", &[]).at_least(1),
];

const MANIFEST_ANNOTATE_FLAGS: &[Flag] = &[
    flag("arch", '\0', "string", Kind::Text, "", "Set the architecture"),
    flag("os", '\0', "string", Kind::Text, "", "Set the operating system"),
    flag("os-features", '\0', "stringSlice", Kind::Slice, "[]", "Set a feature of the operating system"),
    flag("os-version", '\0', "string", Kind::Text, "", "Set the version of the operating system"),
    flag("variant", '\0', "string", Kind::Text, "", "Set the variant of the architecture"),
];

const MANIFEST_CREATE_FLAGS: &[Flag] = &[
    flag("amend", 'a', "bool", Kind::Bool, "false", "Change an existing manifest list"),
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
];

const MANIFEST_INSPECT_FLAGS: &[Flag] = &[
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
    flag("verbose", 'v', "bool", Kind::Bool, "false", "Show more"),
];

const MANIFEST_PUSH_FLAGS: &[Flag] = &[
    flag("insecure", '\0', "bool", Kind::Bool, "false", "Talk to an insecure registry"),
    flag("purge", 'p', "bool", Kind::Bool, "false", "Delete the local list after pushing"),
];
