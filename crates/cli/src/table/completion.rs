//! The `completion` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["completion"]], "", "Print a completion script for a shell", &[]).group().hidden(),
    command(&[&["completion", "bash"]], "", "Print the completion script for bash", &[COMPLETION_BASH_FLAGS]),
    command(&[&["completion", "fish"]], "", "Print the completion script for fish", &[COMPLETION_FISH_FLAGS]),
    command(
        &[&["completion", "powershell"]],
        "",
        "Print the completion script for PowerShell",
        &[COMPLETION_POWERSHELL_FLAGS],
    ),
    command(&[&["completion", "zsh"]], "", "Print the completion script for zsh", &[COMPLETION_ZSH_FLAGS]),
];

const COMPLETION_BASH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

const COMPLETION_FISH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

const COMPLETION_POWERSHELL_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];

const COMPLETION_ZSH_FLAGS: &[Flag] =
    &[flag("no-descriptions", '\0', "bool", Kind::Bool, "false", "Leave descriptions out")];
