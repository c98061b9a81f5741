//! Lists and prunes of images, and what is said of platforms (`cases/images.txt`).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use conformance::stage::Stage;
use conformance::{Options, Script, play};
use testkit::{CliKind, EngineKind};

fn run(engine: EngineKind, cli: CliKind) {
    let script = Script::parse(include_str!("../cases/images.txt")).unwrap();
    let stage = Stage::set(engine, cli).unwrap();
    let options = Options { variables: stage.variables(), ..Options::default() };
    let report = play(&script, &stage.engine, &stage.cli, &options).unwrap();
    eprintln!("{} {}: {}", engine.name(), cli.name(), report.to_string().lines().last().unwrap_or(""));
    report.ok().unwrap();
}

#[test]
fn stock28_on_gantry() {
    run(EngineKind::Gantry, CliKind::Stock28);
}

#[test]
fn gantry_on_gantry() {
    run(EngineKind::Gantry, CliKind::Gantry);
}

/// The cases themselves are true: they pass on Docker's own.
#[test]
fn stock28_on_docker() {
    run(EngineKind::Docker, CliKind::Stock28);
}
