//! The same command lines through Debian's `docker` and through ours, against one engine: output and exit codes equal, and
//! what is sent to the engine equal (`crates/cli/tests/differential.py`, and its `cases/`).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use testkit::{CliKind, Engine, EngineKind, EngineOptions, place};

fn script() -> PathBuf {
    place::project().join("crates/cli/tests/differential.py")
}

/// Shown in full by a failing test only.
fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

fn on(kind: EngineKind) {
    let engine = Engine::start_with("differ", EngineOptions::of(kind)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let (ours, theirs) = (CliKind::Gantry.program().unwrap(), CliKind::Stock28.program().unwrap());
    let line = format!("python3 {} run {} {}", script().display(), ours.display(), theirs.display());
    let output = engine.run_for(&cli, &line, Duration::from_secs(400), &[]).unwrap();
    eprintln!("{}: {}", kind.name(), last_line(output.text()));
    output.ok().unwrap();
}

#[test]
fn on_docker() {
    on(EngineKind::Docker);
}

#[test]
fn on_gantry() {
    on(EngineKind::Gantry);
}

/// What both send to an engine that only takes notes.
#[test]
fn bodies() {
    let (ours, theirs) = (CliKind::Gantry.program().unwrap(), CliKind::Stock28.program().unwrap());
    let output = Command::new("python3").arg(script()).arg("bodies").arg(ours).arg(theirs).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("bodies: {}", last_line(&text));
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
