//! Flags over `daemon.json` over defaults, by name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::file::{self, FileValues};
use super::flags::Given;
use super::table::{FLAGS, Flag, KEYS_ONLY, Kind, Use};
use super::validate;

/// Where the file is looked for unless told otherwise.
const DEFAULT_FILE: &str = "/etc/docker/daemon.json";

/// All settings, as texts.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    given: Given,
    file: FileValues,
    /// The file that was read.
    path: Option<PathBuf>,
}

/// Reads the file that the flags name.
pub(super) fn load(given: &Given) -> Result<Settings> {
    let named = given.all("config-file").last();
    let path = PathBuf::from(named.unwrap_or(DEFAULT_FILE));
    let (file, path) = match std::fs::read_to_string(&path) {
        Ok(text) => (file::read(&text, given).with_context(|| unusable(&path))?, Some(path)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => (FileValues::new(), None),
        Err(e) => bail!("{}: {}", unusable(&path), go_error(&path, &e)),
    };
    let settings = Settings { given: given.clone(), file, path };
    validate::check(&settings).map_err(|e| match &settings.path {
        Some(path) => {
            e.context("merged configuration validation from file and command line flags failed").context(unusable(path))
        }
        None => e,
    })?;
    Ok(settings)
}

fn unusable(path: &Path) -> String {
    format!("unable to configure the Docker daemon with file {}", path.display())
}

/// As Go tells that a file cannot be opened.
fn go_error(path: &Path, e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => format!("open {}: no such file or directory", path.display()),
        _ => e.to_string(),
    }
}

impl Settings {
    /// The same flags over the file as it is now.
    pub(super) fn reload(&self) -> Result<Self> {
        load(&self.given)
    }

    fn flag(name: &str) -> Option<&'static Flag> {
        FLAGS.iter().find(|f| f.name == name)
    }

    /// Whether somebody set it.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.given.set(name) || Self::flag(name).is_some_and(|f| !f.key.is_empty() && self.file.contains_key(f.key))
    }

    /// All values; empty if only the default holds.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut all: Vec<String> = self.given.all(name).map(str::to_owned).collect();
        if let Some(flag) = Self::flag(name)
            && (all.is_empty() || flag.kind == Kind::Map || flag.kind == Kind::List)
        {
            all.extend(self.file.get(flag.key).cloned().unwrap_or_default());
        }
        all
    }

    /// One value, or the default.
    pub(super) fn text(&self, name: &str) -> String {
        let default = || Self::flag(name).map_or("", |f| f.default).to_owned();
        self.list(name).pop().unwrap_or_else(default)
    }

    /// One value if it is not empty.
    pub(super) fn non_empty(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|t| !t.is_empty())
    }

    /// A boolean.
    pub(super) fn on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A value of a key that no flag has.
    pub(super) fn key(&self, key: &str) -> Option<&str> {
        self.file.get(key)?.last().map(String::as_str)
    }

    /// The file that was read, for the log.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// A key that no flag has, that is set, and that is not there yet.
    pub(super) fn missing_key(&self) -> Option<&'static str> {
        let missing = KEYS_ONLY.iter().filter(|(_, used)| *used == Use::Missing).map(|(key, _)| *key);
        missing.into_iter().find(|key| self.key(key).is_some_and(|v| !v.is_empty()))
    }

    /// Flags that are set and do not count: those without meaning, and those that are missing.
    pub(super) fn idle(&self, used: Use) -> Vec<&'static str> {
        FLAGS.iter().filter(|f| f.used == used && self.is_set(f.name)).map(|f| f.name).collect()
    }

    /// Keys of the file that no flag has and that have no meaning here.
    pub(super) fn idle_keys(&self) -> Vec<&'static str> {
        let inert = KEYS_ONLY.iter().filter(|(_, used)| *used == Use::Inert).map(|(key, _)| *key);
        inert.filter(|key| self.file.contains_key(*key)).collect()
    }
}
