//! Runs the cases against runtimes: `oci-suite [NAME=]RUNTIME... [--filter TEXT[,TEXT...]] [--jobs N] [--record FILE] [--cases DIR]`.
//!
//! Prints one line per case in TAP's form and a table by group. `--record` puts what was passed into the yardstick.
//! Runs itself once more inside a machine of namespaces (needs root), so that nothing of the host is touched.

#![allow(clippy::print_stdout)]

use anyhow::{Context as _, bail};
use oci_suite::run::{Runtime, Verdict, run};
use oci_suite::stage::Stage;
use oci_suite::table::{self, Case};
use oci_suite::yardstick::Yardstick;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::{Machine, place};

#[derive(Debug)]
struct Options {
    runtimes: Vec<Runtime>,
    filter: String,
    jobs: usize,
    record: Option<PathBuf>,
    cases: PathBuf,
    inside: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = options()?;
    if options.inside {
        return inside(&options);
    }
    let machine = Machine::boot("oci")?;
    let me = std::env::current_exe()?;
    let mut command = machine.command(&me)?;
    command.args(std::env::args_os().skip(1)).arg("--inside").arg("--cases").arg(&options.cases);
    if let Some(record) = &options.record {
        command.arg("--record").arg(record);
    }
    let status = command.status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        runtimes: Vec::new(),
        filter: String::new(),
        jobs: 2,
        record: None,
        cases: place::project().join("crates/oci-suite/cases"),
        inside: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--filter" => options.filter = value()?,
            "--jobs" => options.jobs = value()?.parse()?,
            "--record" => options.record = Some(std::path::absolute(value()?)?),
            "--cases" => options.cases = std::path::absolute(value()?)?,
            "--inside" => options.inside = true,
            "--runtime" => options.runtimes.push(runtime(&value()?)?),
            other if other.starts_with('-') => bail!("unknown option {other}"),
            other => options.runtimes.push(runtime(other)?),
        }
    }
    if options.runtimes.is_empty() {
        bail!("usage: oci-suite [NAME=]RUNTIME... [--filter TEXT[,TEXT...]] [--jobs N] [--record FILE] [--cases DIR]");
    }
    Ok(options)
}

fn runtime(text: &str) -> anyhow::Result<Runtime> {
    let (name, program) = match text.split_once('=') {
        Some((name, program)) => (name.to_owned(), program),
        None => (Path::new(text).file_name().context("a program")?.to_string_lossy().into_owned(), text),
    };
    Ok(Runtime { name, program: std::path::absolute(program)? })
}

fn inside(options: &Options) -> anyhow::Result<ExitCode> {
    let mut cases = table::read_dir(&options.cases)?;
    cases.retain(|case| options.filter.split(',').any(|part| case.name.contains(part)));
    let stage = Stage::new(Path::new("/run/oci-suite"), &place::built("oci-probe")?)?;
    let old = options.record.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let known = table::read_dir(&options.cases)?;
    let mut yardstick = Yardstick { versions: Vec::new(), ..Yardstick::parse(&old) };
    yardstick.passed.retain(|name, _| known.iter().any(|case| case.name == *name));
    let before: Vec<Vec<String>> =
        cases.iter().map(|case| yardstick.passed.remove(&case.name).unwrap_or_default()).collect();
    let mut matrix: BTreeMap<String, Vec<[usize; 3]>> = BTreeMap::new();
    let mut bad = 0;
    println!("1..{}", cases.len() * options.runtimes.len());
    let mut number = 0;
    for (column, runtime) in options.runtimes.iter().enumerate() {
        let version = version(runtime)?;
        if version.iter().any(|line| line.starts_with("crun")) {
            plain_cgroups()?;
        }
        yardstick.versions.extend(version);
        let verdicts = all(options.jobs, &stage, runtime, &cases)?;
        for ((case, before), verdict) in cases.iter().zip(&before).zip(verdicts) {
            number += 1;
            let row = matrix.entry(case.group().to_owned()).or_default();
            row.resize(options.runtimes.len(), [0; 3]);
            let who = yardstick.passed.entry(case.name.clone()).or_default();
            let label = format!("{number} - {} {}", runtime.name, case.name);
            let index = match verdict {
                Verdict::Passed => {
                    println!("ok {label}");
                    who.push(runtime.name.clone());
                    0
                }
                Verdict::Failed(why) => {
                    println!("not ok {label}\n  # {}", why.trim_end().replace('\n', "\n  # "));
                    bad += 1;
                    1
                }
                Verdict::Skipped(lack) => {
                    println!("ok {label} # SKIP {lack}");
                    // What is known from a machine that has it.
                    who.extend(before.iter().filter(|name| **name == runtime.name).cloned());
                    2
                }
            };
            if let Some(cell) = row.get_mut(column) {
                cell[index] += 1;
            }
        }
    }
    show(options, &matrix);
    if let Some(path) = &options.record {
        std::fs::write(path, yardstick.text())?;
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the unified hierarchy away where others stand beside it: crun refuses to work with both. So crun comes last.
fn plain_cgroups() -> anyhow::Result<()> {
    let unified = "/sys/fs/cgroup/unified";
    if Path::new(unified).join("cgroup.procs").exists() {
        rustix::mount::unmount(unified, rustix::mount::UnmountFlags::DETACH)?;
        std::fs::remove_dir(unified)?;
    }
    Ok(())
}

/// All cases with one runtime, in the order of the table.
fn all(jobs: usize, stage: &Stage, runtime: &Runtime, cases: &[Case]) -> anyhow::Result<Vec<Verdict>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((at, case)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, cases.get(i)?)))
                {
                    let verdict = run(stage, runtime, case).unwrap_or_else(|e| Verdict::Failed(format!("{e:#}")));
                    if let Ok(mut done) = done.lock() {
                        done.insert(at, verdict);
                    }
                }
            });
        }
    });
    let done = done.into_inner().map_err(|_| anyhow::anyhow!("a case panicked"))?;
    if done.len() != cases.len() {
        bail!("{} of {} cases ran", done.len(), cases.len());
    }
    Ok(done.into_values().collect())
}

fn version(runtime: &Runtime) -> anyhow::Result<Vec<String>> {
    let said = Command::new(&runtime.program).arg("--version").output().context("--version")?.stdout;
    Ok(String::from_utf8_lossy(&said).lines().take(1).map(str::to_owned).collect())
}

fn show(options: &Options, matrix: &BTreeMap<String, Vec<[usize; 3]>>) {
    let names: Vec<String> = options.runtimes.iter().map(|r| format!("{:>16}", r.name)).collect();
    println!("# {:20}{}", "passed/failed/skip", names.join(""));
    let mut sum = vec![[0; 3]; names.len()];
    for (group, row) in matrix {
        let cells: Vec<String> = row.iter().map(|[p, f, s]| format!("{:>16}", format!("{p}/{f}/{s}"))).collect();
        println!("# {group:20}{}", cells.join(""));
        for (sum, cell) in sum.iter_mut().zip(row) {
            for (sum, n) in sum.iter_mut().zip(cell) {
                *sum += n;
            }
        }
    }
    let cells: Vec<String> = sum.iter().map(|[p, f, s]| format!("{:>16}", format!("{p}/{f}/{s}"))).collect();
    println!("# {:20}{}", "all", cells.join(""));
}
