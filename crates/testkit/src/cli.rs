//! The command lines that drive an engine.

use crate::place;
use std::path::PathBuf;

/// A command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CliKind {
    /// Docker's own, 28.x (Debian sid's `docker-cli`).
    Stock28,
    /// Docker's own, 20.10 (Debian bookworm's `docker.io`).
    Stock20,
    /// `gantry`, called as `docker`.
    Gantry,
}

impl CliKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stock28, Self::Stock20, Self::Gantry];

    /// Its name on command lines and in test files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock28 => "stock28",
            Self::Stock20 => "stock20",
            Self::Gantry => "gantry",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// The one that `CLI_UNDER_TEST` names, else Docker's own.
    pub fn from_env() -> Self {
        std::env::var("CLI_UNDER_TEST").ok().and_then(|v| Self::parse(&v)).unwrap_or(Self::Stock28)
    }

    /// Its executable.
    pub fn program(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Stock28 => place::peer("docker/usr/bin/docker"),
            Self::Stock20 => place::peer("docker20/usr/bin/docker"),
            Self::Gantry => place::gantry(),
        }
    }
}

/// A command line set up to talk to one engine: `docker` in its directory is the program of its kind.
#[derive(Debug, Clone)]
pub struct Cli {
    /// Which.
    pub kind: CliKind,
    /// A directory that holds nothing but `docker`.
    pub bin: PathBuf,
}
