//! The command tree as data (the same as `contract/cli.json`), and how to find one's way in it.

mod builder;
mod checkpoint;
mod completion;
mod config;
mod container;
mod context;
#[cfg(test)]
mod contract;
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

use std::sync::LazyLock;

/// The commands, by the group that they are at home in.
const GROUPS: &[&[Spec]] = &[
    builder::COMMANDS,
    checkpoint::COMMANDS,
    completion::COMMANDS,
    config::COMMANDS,
    container::COMMANDS,
    context::COMMANDS,
    image::COMMANDS,
    inspect::COMMANDS,
    login::COMMANDS,
    manifest::COMMANDS,
    network::COMMANDS,
    node::COMMANDS,
    plugin::COMMANDS,
    root::COMMANDS,
    search::COMMANDS,
    secret::COMMANDS,
    service::COMMANDS,
    stack::COMMANDS,
    swarm::COMMANDS,
    system::COMMANDS,
    version::COMMANDS,
    volume::COMMANDS,
];

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

/// What is said once of a command, wherever it stands in the tree.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Where it stands, words after `docker`; handlers are registered under the first.
    paths: &'static [&'static [&'static str]],
    /// Its arguments in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    /// Other last words of the first path.
    aliases: &'static [&'static str],
    /// More of these, which help doesn't show.
    unlisted: &'static [&'static str],
    /// A spelling that a CLI plugin serves.
    plugin: Option<&'static str>,
    pub(crate) group: bool,
    /// Whether flags may follow arguments.
    pub(crate) interspersed: bool,
    pub(crate) hidden: bool,
    pub(crate) swarm: bool,
    pub(crate) since: &'static str,
    /// Whether help calls it an experiment.
    pub(crate) experimental: bool,
    /// Whether the engine must have experiments switched on.
    pub(crate) engine_experiment: bool,
    pub(crate) about: &'static str,
    flags: &'static [&'static [Flag]],
}

/// A command that takes no arguments.
const fn command(
    paths: &'static [&'static [&'static str]],
    usage: &'static str,
    about: &'static str,
    flags: &'static [&'static [Flag]],
) -> Spec {
    Spec {
        paths,
        usage,
        min: 0,
        max: Some(0),
        aliases: &[],
        unlisted: &[],
        plugin: None,
        group: false,
        interspersed: true,
        hidden: false,
        swarm: false,
        since: "",
        experimental: false,
        engine_experiment: false,
        about,
        flags,
    }
}

impl Spec {
    const fn takes(mut self, min: usize, max: usize) -> Self {
        self.min = min;
        self.max = Some(max);
        self
    }

    const fn at_least(mut self, min: usize) -> Self {
        self.min = min;
        self.max = None;
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn unlisted(mut self, aliases: &'static [&'static str]) -> Self {
        self.unlisted = aliases;
        self
    }

    const fn plugin(mut self, spelling: &'static str) -> Self {
        self.plugin = Some(spelling);
        self
    }

    const fn group(mut self) -> Self {
        self.group = true;
        self
    }

    const fn flags_first(mut self) -> Self {
        self.interspersed = false;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn swarm(mut self) -> Self {
        self.swarm = true;
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }

    const fn engine_experiment(mut self) -> Self {
        self.engine_experiment = true;
        self.experimental()
    }

    /// Its flags, in no order that means anything.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.flags.iter().flat_map(|list| list.iter())
    }

    /// Every full spelling, aliases after the first path.
    fn spellings(&self) -> Vec<String> {
        let mut all = vec![spell(self.paths[0])];
        if let Some((_, parent)) = self.paths[0].split_last() {
            all.extend(self.aliases.iter().map(|alias| format!("{} {alias}", spell(parent))));
        }
        all.extend(self.paths.iter().skip(1).map(|path| spell(path)));
        all.extend(self.plugin.map(str::to_owned));
        all
    }
}

/// `docker container ls`
fn spell(path: &[&str]) -> String {
    std::iter::once("docker").chain(path.iter().copied()).collect::<Vec<_>>().join(" ")
}

/// A command or group of commands at one of its places in the tree.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its words after `docker`.
    pub(crate) path: &'static [&'static str],
    /// The one of its equivalent spellings that handlers are registered under.
    pub(crate) canonical: String,
    spec: &'static Spec,
}

impl std::ops::Deref for Command {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        self.spec
    }
}

impl Command {
    /// `docker container ls`
    pub(crate) fn full_path(&self) -> String {
        spell(self.path)
    }

    /// `docker container ls [OPTIONS]`
    pub(crate) fn use_line(&self) -> String {
        if self.usage.is_empty() { self.full_path() } else { format!("{} {}", self.full_path(), self.usage) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.path.last().copied().unwrap_or("docker")
    }

    /// Every equivalent spelling in full, this one among them; the canonical one is first.
    pub(crate) fn spellings(&self) -> Vec<String> {
        self.spec.spellings()
    }

    /// Whether `word` may stand for its last one, at this place.
    fn answers_to(&self, word: &str) -> bool {
        let canonical = self.path == self.spec.paths[0];
        self.name() == word || canonical && (self.spec.aliases.contains(&word) || self.spec.unlisted.contains(&word))
    }

    /// The groups that it is in, and itself.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &'static Self> {
        let path = self.path;
        all().iter().filter(move |c| path.starts_with(c.path))
    }

    /// The direct children, in order of name.
    pub(crate) fn children(&self) -> impl Iterator<Item = &'static Self> {
        let path = self.path;
        all().iter().filter(move |c| c.path.len() == path.len() + 1 && c.path.starts_with(path))
    }

    pub(crate) fn child(&self, word: &str) -> Option<&'static Self> {
        self.children().find(|c| c.answers_to(word))
    }
}

/// Every command at each of its places, in the order of their words: first of all `docker` itself.
pub(crate) fn all() -> &'static [Command] {
    static ALL: LazyLock<Vec<Command>> = LazyLock::new(|| {
        let mut list: Vec<_> = GROUPS
            .iter()
            .flat_map(|group| group.iter())
            .flat_map(|spec| spec.paths.iter().map(move |path| (spec, *path)))
            .map(|(spec, path)| Command { path, canonical: spec.paths[0].join(" "), spec })
            .collect();
        list.sort_by_key(|c| c.path);
        list
    });
    &ALL
}

/// `docker` itself.
pub(crate) fn root() -> &'static Command {
    &all()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_is_sound() {
        assert!(root().path.is_empty());
        for command in all().iter().skip(1) {
            let parent = &command.path[..command.path.len() - 1];
            assert!(all().iter().any(|c| c.path == parent && c.group), "{}", command.full_path());
            let mut names: Vec<_> = command.flags().map(|f| f.name).collect();
            names.sort_unstable();
            let len = names.len();
            names.dedup();
            assert_eq!(names.len(), len, "{}", command.full_path());
        }
        assert_eq!(root().child("ps").map(|c| c.canonical.as_str()), Some("container ls"));
    }
}
