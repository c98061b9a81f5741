//! The scenario (`cases/scenario.txt`) for each pair of engine and command line that must be interchangeable.
//!
//! Needs root, and the peers that `bench/peers.sh fetch` unpacks. One machine per test: they may run side by side.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use testkit::{CliKind, EngineKind, invariants};

fn run(engine: EngineKind, cli: CliKind) {
    let script = Script::parse(include_str!("../cases/scenario.txt")).unwrap();
    let stage = Stage::set(engine, cli).unwrap();
    let options = Options { variables: stage.variables(), ..Options::default() };
    // The first request makes threads and descriptors that stay.
    invariants::check(&stage.engine).unwrap();
    let before = invariants::Baseline::take(&stage.engine).unwrap();
    let report = play(&script, &stage.engine, &stage.cli, &options).unwrap();
    eprintln!("{} {}: {}", engine.name(), cli.name(), report.to_string().lines().last().unwrap_or(""));
    report.ok().unwrap();
    if engine == EngineKind::Gantry {
        // Four fresh namespaces wait in the pool from the first container on, with two descriptors each.
        before.back(&stage.engine, 16, 8).unwrap();
    }
}

#[test]
fn stock28_on_gantry() {
    run(EngineKind::Gantry, CliKind::Stock28);
}

#[test]
fn stock20_on_gantry() {
    run(EngineKind::Gantry, CliKind::Stock20);
}

#[test]
fn gantry_on_gantry() {
    run(EngineKind::Gantry, CliKind::Gantry);
}

#[test]
fn gantry_on_docker() {
    run(EngineKind::Docker, CliKind::Gantry);
}

/// The scenario itself is true: it passes on Docker's own.
#[test]
fn stock28_on_docker() {
    run(EngineKind::Docker, CliKind::Stock28);
}
