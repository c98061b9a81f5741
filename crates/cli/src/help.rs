//! Usage screens, made from the table.

use crate::console;
use crate::table::{Command, Flag, Kind, root};

const COMMON: [&str; 12] =
    ["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];

/// The help of a command.
pub(crate) fn screen(command: &Command) -> String {
    let mut text = String::from("Usage:  ");
    let is_root = command.path.is_empty();
    let visible = command.flags().any(|f| !f.hidden && f.os.is_empty());
    if command.group {
        text.push_str(&command.full_path());
        text.push_str(if visible { " [OPTIONS] COMMAND" } else { " COMMAND" });
    } else {
        text.push_str(&command.use_line());
    }
    text.push_str("\n\n");
    text.push_str(command.about);
    text.push('\n');
    if command.experimental {
        let path = command.full_path();
        text.push_str(&format!(
            "\nEXPERIMENTAL:\n  {path} is an experimental feature and may change or go at any time.\n"
        ));
    }
    aliases(&mut text, command);
    if !is_root && visible {
        text.push_str("\nOptions:\n");
        text.push_str(flag_usages(command.flags()).trim_end());
        text.push('\n');
    }
    if command.group {
        subcommands(&mut text, command);
    }
    if is_root {
        text.push_str("\nGlobal Options:\n");
        text.push_str(flag_usages(command.flags()).trim_end());
        text.push('\n');
    }
    if command.group {
        text.push_str(&format!("\nRun '{} COMMAND --help' for more information on a command.\n", command.full_path()));
    }
    if is_root {
        text.push_str("\nFor more help on how to use Docker, head to https://docs.docker.com/go/guides/\n");
    }
    text
}

fn aliases(text: &mut String, command: &Command) {
    let mut all = command.spellings();
    // The canonical one first, then longer (management) spellings.
    all[1..].sort_by_key(|a| std::cmp::Reverse(a.split(' ').count()));
    if all.len() > 1 {
        text.push_str("\nAliases:\n  ");
        text.push_str(&all.join(", "));
        text.push('\n');
    }
}

fn subcommands(text: &mut String, command: &Command) {
    let is_root = command.path.is_empty();
    let children: Vec<&Command> = command.children().filter(|c| !c.hidden).collect();
    let padding = children.iter().map(|c| c.name().len()).max().unwrap_or(0).max(11);
    let mut section = |title: &str, list: Vec<&Command>| {
        if list.is_empty() {
            return;
        }
        text.push_str(&format!("\n{title}:\n"));
        for child in list {
            text.push_str(format!("  {:padding$} {}", child.name(), child.about).trim_end());
            text.push('\n');
        }
    };
    let select = |keep: &dyn Fn(&Command) -> bool| children.iter().copied().filter(|c| keep(c)).collect::<Vec<_>>();
    if is_root {
        section("Common Commands", COMMON.iter().filter_map(|name| root().child(name)).collect());
    }
    section("Management Commands", select(&|c| c.group && !c.swarm));
    section("Swarm Commands", select(&|c| c.group && c.swarm));
    section("Commands", select(&|c| !c.group && !(is_root && (COMMON.contains(&c.name()) || c.name() == "help"))));
}

fn default_text(flag: &Flag) -> Option<String> {
    let default = flag.default;
    match flag.kind {
        Kind::Bool if default == "true" => Some(" (default true)".to_owned()),
        Kind::Bool => None,
        Kind::Int | Kind::Uint | Kind::Uint32 | Kind::Float | Kind::Bytes if default == "0" => None,
        Kind::Duration if matches!(default, "0s" | "0") => None,
        Kind::Slice if default == "[]" => None,
        Kind::Ip if default == "<nil>" => None,
        Kind::Text if !default.is_empty() => Some(format!(" (default {})", units::gofmt::quote(default))),
        _ if default.is_empty() => None,
        _ => Some(format!(" (default {default})")),
    }
}

/// The aligned, wrapped list of flags.
fn flag_usages(flags: impl Iterator<Item = &'static Flag>) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut sorted: Vec<&Flag> = flags.filter(|f| !f.hidden && f.deprecated.is_none() && f.os.is_empty()).collect();
    sorted.sort_by_key(|f| f.name);
    for flag in sorted {
        let mut left = if flag.short == '\0' {
            format!("      --{}", flag.name)
        } else {
            format!("  -{}, --{}", flag.short, flag.name)
        };
        if flag.kind != Kind::Bool {
            left.push(' ');
            left.push_str(match flag.type_name {
                "int64" | "int32" => "int",
                "uint64" | "uint32" => "uint",
                "stringSlice" => "strings",
                "float64" => "float",
                "ipNetSlice" | "ipSlice" => "strings",
                name => name,
            });
        }
        lines.push((left, format!("{}{}", flag.about, default_text(flag).unwrap_or_default())));
    }
    let indent = lines.iter().map(|(left, _)| left.len()).max().unwrap_or(0) + 3;
    let width = console::help_width().saturating_sub(1);
    let mut text = String::new();
    for (left, right) in lines {
        let padded = format!("{left:indent$}");
        text.push_str(format!("{padded}{}", wrap(&right, indent, width)).trim_end());
        text.push('\n');
    }
    text
}

/// Breaks text at blanks so that it fits between `indent` and `width`; very narrow terminals get it on its own lines.
fn wrap(text: &str, indent: usize, width: usize) -> String {
    let room = if width > indent + 24 { width - indent } else { usize::MAX };
    let mut out = String::new();
    for (i, paragraph) in text.split('\n').enumerate() {
        let mut column = 0;
        if i > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        for word in paragraph.split(' ') {
            if column > 0 && column + 1 + word.chars().count() > room {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = 0;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += word.chars().count();
        }
    }
    out
}
