//! Flags of the `version` commands.

use super::{Flag, Kind, flag};

pub(super) const VERSION_FLAGS: &[Flag] = &[flag(
    "format",
    'f',
    "string",
    Kind::Text,
    "",
    "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
)];
