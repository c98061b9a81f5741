//! The `search` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] =
    &[command(&[&["search"]], "[OPTIONS] TERM", "Search Docker Hub for images", &[SEARCH_FLAGS]).takes(1, 1)];

const SEARCH_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("limit", '\0', "int", Kind::Int, "0", "Most results to show"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
];
