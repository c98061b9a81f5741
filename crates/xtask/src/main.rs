//! The house's own commands: `cargo xtask verify` (checks, writes nothing), `cargo xtask fix` (formats and applies
//! lint fixes), `cargo xtask tidy` and `cargo xtask layers` (single checks).

mod layers;
mod tidy;

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[expect(clippy::print_stderr, reason = "a command for developers")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["verify"] => verify(),
        ["fix"] => fix(),
        ["tidy"] => report("tidy", &tidy::faults(&root())),
        ["layers"] => layers::faults(&root()).and_then(|faults| report("layers", &faults)),
        _ => Err(anyhow::anyhow!("usage: cargo xtask verify|fix|tidy|layers")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The project's root directory.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Everything that can be checked without root, in the order of what it costs.
fn verify() -> anyhow::Result<()> {
    report("tidy", &tidy::faults(&root()))?;
    report("layers", &layers::faults(&root())?)?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--workspace", "--lib", "--bins"])
}

fn fix() -> anyhow::Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo(&["fmt", "--all"])
}

fn cargo(words: &[&str]) -> anyhow::Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program).args(words).current_dir(root()).status().context("cargo")?;
    if status.success() { Ok(()) } else { bail!("cargo {} failed", words.join(" ")) }
}

fn report(what: &str, faults: &[String]) -> anyhow::Result<()> {
    if faults.is_empty() { Ok(()) } else { bail!("{what}:\n  {}", faults.join("\n  ")) }
}
