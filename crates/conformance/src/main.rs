//! Plays case files by hand: `conformance [--engine gantry|docker|docker-graph] [--cli stock28|stock20|gantry]
//! [--record] [--each] [--clean] [--filter TEXT] FILE…`. Needs root.

use anyhow::{Context as _, bail};
use conformance::{Options, Script, play};
use std::process::ExitCode;
use testkit::{CliKind, EngineKind};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for developers")]
fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<conformance::Report> {
    let (mut engine, mut cli) = (EngineKind::from_env(), CliKind::from_env());
    let mut options = Options { verbose: true, ..Options::default() };
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--engine" => {
                engine = EngineKind::parse(&value()?).context("gantry, docker, docker-graph or docker-on-gantry")?;
            }
            "--cli" => cli = CliKind::parse(&value()?).context("stock28, stock20 or gantry")?,
            "--filter" => options.filter = Some(value()?),
            "--record" => options.record = true,
            "--each" => options.check_each = true,
            "--clean" => options.leave_nothing = true,
            file if !file.starts_with('-') => files.push(file.to_owned()),
            other => bail!("unknown option {other}"),
        }
    }
    let stage = conformance::stage::Stage::set(engine, cli)?;
    let mut total = conformance::Report::default();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| file.clone())?;
        let script = Script::parse(&text).with_context(|| file.clone())?;
        let report =
            play(&script, &stage.engine, &stage.cli, &Options { variables: stage.variables(), ..options.clone() })?;
        total.passed += report.passed;
        total.failed.extend(report.failed);
        total.skipped.extend(report.skipped);
    }
    Ok(total)
}
