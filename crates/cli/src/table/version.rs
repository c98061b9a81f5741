//! Flags of the `version` commands.

use super::{Flag, Kind, flag};

pub(super) const VERSION_FLAGS: &[Flag] = &[flag("format", 'f', "string", Kind::Text, "", "")];
