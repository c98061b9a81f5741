//! The command tree as data (the same as `contract/cli.json`), and how to find one's way in it.

mod builder;
mod checkpoint;
mod commands;
mod completion;
mod config;
mod container;
mod context;
mod image;
mod inspect;
mod login;
mod manifest;
mod network;
mod node;
mod plugin;
mod root;
mod search;
mod secret;
mod service;
mod stack;
mod swarm;
mod system;
mod version;
mod volume;

pub(crate) use commands::COMMANDS;

/// How a flag's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Int,
    Uint,
    Uint16,
    Uint32,
    Float,
    Bytes,
    Decimal,
    Duration,
    Filter,
    Gpus,
    Ip,
    List,
    Map,
    Mount,
    Network,
    Pairs,
    Slice,
    Ulimit,
    Other,
}

/// One flag.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    /// NUL for none.
    pub(crate) short: char,
    pub(crate) type_name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
    pub(crate) hidden: bool,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) since: &'static str,
    pub(crate) os: &'static str,
    pub(crate) experimental: bool,
}

pub(crate) const fn flag(
    name: &'static str,
    short: char,
    type_name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Flag {
    Flag {
        name,
        short,
        type_name,
        kind,
        default,
        about,
        hidden: false,
        deprecated: None,
        since: "",
        os: "",
        experimental: false,
    }
}

impl Flag {
    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn deprecated(mut self, message: &'static str) -> Self {
        self.deprecated = Some(message);
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    const fn only_on(mut self, os: &'static str) -> Self {
        self.os = os;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }
}

/// One command or group of commands.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its words after `docker`.
    pub(crate) path: &'static [&'static str],
    /// The one of its equivalent spellings that handlers are registered under.
    pub(crate) canonical: &'static str,
    /// Its arguments in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    /// Other last words.
    pub(crate) aliases: &'static [&'static str],
    /// Equivalent commands elsewhere in the tree, in full.
    pub(crate) also: &'static [&'static str],
    pub(crate) group: bool,
    /// Whether flags may follow arguments.
    pub(crate) interspersed: bool,
    pub(crate) hidden: bool,
    pub(crate) swarm: bool,
    pub(crate) since: &'static str,
    pub(crate) experimental: bool,
    pub(crate) about: &'static str,
    pub(crate) flags: &'static [Flag],
}

impl Command {
    /// `docker container ls`
    pub(crate) fn full_path(&self) -> String {
        let mut text = "docker".to_owned();
        for word in self.path {
            text.push(' ');
            text.push_str(word);
        }
        text
    }

    /// `docker container ls [OPTIONS]`
    pub(crate) fn use_line(&self) -> String {
        if self.usage.is_empty() { self.full_path() } else { format!("{} {}", self.full_path(), self.usage) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.path.last().copied().unwrap_or("docker")
    }

    /// The direct children, in order of name.
    pub(crate) fn children(&self) -> impl Iterator<Item = &'static Self> {
        let depth = self.path.len() + 1;
        let path = self.path;
        COMMANDS.iter().filter(move |c| c.path.len() == depth && c.path.starts_with(path))
    }

    pub(crate) fn child(&self, word: &str) -> Option<&'static Self> {
        self.children().find(|c| c.name() == word || c.aliases.contains(&word))
    }
}

/// `docker` itself.
pub(crate) fn root() -> &'static Command {
    &COMMANDS[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_is_sound() {
        assert!(root().path.is_empty());
        for command in COMMANDS.iter().skip(1) {
            let parent = &command.path[..command.path.len() - 1];
            assert!(COMMANDS.iter().any(|c| c.path == parent && c.group), "{}", command.full_path());
            let mut names: Vec<_> = command.flags.iter().map(|f| f.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), command.flags.len(), "{}", command.full_path());
        }
        assert_eq!(root().child("ps").map(|c| c.canonical), Some("container ls"));
    }
}
