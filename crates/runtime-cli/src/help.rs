//! Help screens, made of the table.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::error::Error;
use crate::parse::Flag;
use crate::report::Report;
use crate::table::{COMMANDS, Command, GLOBAL, command as find};

/// Writes to standard output, where nobody may listen any more.
pub(crate) fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

/// `--version`: engines read the first word of the first line, and the lines' keys.
pub(crate) fn version() -> i32 {
    say(&format!("runc version {}+gantry\nspec: {}\n", env!("CARGO_PKG_VERSION"), oci::runtime::VERSION));
    0
}

/// The whole program's.
pub(crate) fn general() -> i32 {
    say(&overview());
    0
}

/// One command's.
pub(crate) fn command(command: &Command) -> i32 {
    say(&screen(command));
    0
}

/// `help [COMMAND]`.
pub(crate) fn asked(name: Option<&String>, report: &Report) -> i32 {
    match name.map(|name| (name, find(name))) {
        None => general(),
        Some((_, Some(found))) => command(found),
        Some((name, None)) => report.fatal(&Error::NoHelpTopic { name: name.clone() }, 3),
    }
}

/// Before the error about an option.
pub(crate) fn incorrect(text: &str, of: Option<&Command>) {
    match of {
        Some(command) => say(&format!("Incorrect Usage: {text}\n\n{}", screen(command))),
        None => say(&format!("Incorrect Usage. {text}\n\n{}", overview())),
    }
}

/// Before the error about the number of arguments.
pub(crate) fn arguments(command: &Command) {
    say(&format!("Incorrect Usage.\n\n{}", screen(command)));
}

fn overview() -> String {
    let mut out = "NAME:\n   runc - runs containers as the OCI runtime specification describes them\n\n".to_owned();
    out.push_str("USAGE:\n   runc [global options] command [command options] [arguments...]\n\nCOMMANDS:\n");
    for command in COMMANDS {
        let _ = writeln!(out, "   {:<12}{}", command.name, command.about);
    }
    out.push_str("   help, h     show a list of commands or help for one command\n\nGLOBAL OPTIONS:\n");
    out.push_str(&options(GLOBAL));
    out.push_str("   --help, -h  show help\n");
    out
}

fn screen(command: &Command) -> String {
    let mut out = format!("NAME:\n   runc {} - {}\n\nUSAGE:\n   runc {}", command.name, command.about, command.name);
    if !command.flags.is_empty() {
        out.push_str(" [command options]");
    }
    let _ = writeln!(out, " {}", command.usage);
    if !command.flags.is_empty() {
        let _ = write!(out, "\nOPTIONS:\n{}", options(command.flags));
    }
    out
}

fn options(flags: &[Flag]) -> String {
    let left = |flag: &Flag| {
        let value = if flag.value { " value" } else { "" };
        let dashed = |name: &&str| if name.len() == 1 { format!("-{name}{value}") } else { format!("--{name}{value}") };
        flag.names.iter().map(dashed).collect::<Vec<_>>().join(", ")
    };
    let width = flags.iter().map(|flag| left(flag).len()).max().unwrap_or(0) + 2;
    let mut out = String::new();
    for flag in flags {
        let _ = write!(out, "   {:<width$}{}", left(flag), flag.help);
        if !flag.default.is_empty() {
            let _ = write!(out, " (default: {})", flag.default);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screens() {
        let text = screen(find("delete").unwrap());
        assert!(text.contains("runc delete [command options] <container-id>\n"), "{text}");
        assert!(text.contains("   --force, -f  kill it first when it runs\n"), "{text}");
        assert!(overview().contains("   create      create a container\n"));
    }
}
