//! Plays a case file on one pair of engine and command line.

use crate::expect::{self, Variables};
use crate::script::{Key, Script, Step};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};
use testkit::leftovers::Picture;
use testkit::pty::Pty;
use testkit::{Cli, Engine, Output, invariants};

/// Docker's own client says this or not when `run --rm` cannot start, as its wait or its failure comes first.
const WAITED: &str = "level=error msg=\"error waiting for container: context canceled\"";

/// How long a terminal may take to show what a step waits for.
const KEY_PATIENCE: Duration = Duration::from_secs(15);

/// What to play and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Variables that the file expects to be set.
    pub variables: BTreeMap<String, String>,
    /// Check the invariants after each step, not only at the end.
    pub check_each: bool,
    /// Every step must leave the machine as it found it.
    pub leave_nothing: bool,
    /// Print each step as it passes.
    pub verbose: bool,
    /// Print what each step did, in the format of case files.
    pub record: bool,
    /// Only steps whose title contains this.
    pub filter: Option<String>,
}

/// How it went.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Steps that passed.
    pub passed: usize,
    /// Steps left out, with the reason.
    pub skipped: Vec<(String, String)>,
    /// Steps that failed, with everything there is to say.
    pub failed: Vec<(String, String)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, what) in &self.failed {
            writeln!(f, "FAILED {title}\n{what}\n")?;
        }
        for (title, reason) in &self.skipped {
            writeln!(f, "left out: {title} ({reason})")?;
        }
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

impl Report {
    /// An error unless every step passed.
    pub fn ok(self) -> anyhow::Result<Self> {
        if self.failed.is_empty() { Ok(self) } else { Err(anyhow::anyhow!("\n{self}")) }
    }
}

/// Plays all steps, also after a failed one, and checks the invariants at the end.
#[expect(clippy::print_stderr, reason = "progress of a long test")]
pub fn play(script: &Script, engine: &Engine, cli: &Cli, options: &Options) -> anyhow::Result<Report> {
    let mut player = Player { engine, cli, variables: options.variables.clone(), options, unsettled: true };
    let mut report = Report::default();
    for step in &script.steps {
        if options.filter.as_ref().is_some_and(|f| !step.title.contains(f.as_str())) {
            continue;
        }
        let name = format!("{} (line {})", step.title, step.line);
        if let Some(reason) = step.skipped(engine.kind().family(), cli.kind.name()) {
            report.skipped.push((name, reason.to_owned()));
            continue;
        }
        let (started, logged) = (Instant::now(), engine.log().len());
        match player.step(step) {
            Ok(()) => {
                report.passed += 1;
                if options.verbose {
                    eprintln!("ok {name} {} ms", started.elapsed().as_millis());
                }
            }
            Err(error) => {
                let log = engine.log();
                let what = format!("{error:#}\n  daemon's log:\n{}", worries(log.get(logged..).unwrap_or(&log)));
                eprintln!("FAILED {name}");
                report.failed.push((name, what));
            }
        }
    }
    if let Err(error) = invariants::check(engine) {
        report.failed.push(("invariants at the end".to_owned(), format!("{error:#}")));
    } else {
        report.passed += 1;
    }
    Ok(report)
}

/// The lines of a log that are worth reading after a failure.
fn worries(log: &str) -> String {
    let quiet = ["level=info", "level=debug"];
    let lines: Vec<&str> = log.lines().filter(|line| !quiet.iter().any(|q| line.contains(q))).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

struct Player<'a> {
    engine: &'a Engine,
    cli: &'a Cli,
    variables: Variables,
    options: &'a Options,
    /// The step before was not waited for: what it left may still be on its way out.
    unsettled: bool,
}

impl Player<'_> {
    fn picture(&self) -> anyhow::Result<Picture> {
        if self.unsettled { Picture::steady(self.engine, Duration::from_secs(5)) } else { Picture::take(self.engine) }
    }

    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        let deadline = Instant::now() + step.within;
        let leaves = step.leaves(self.engine.kind().family(), self.cli.kind.name());
        let before = if self.options.leave_nothing && !leaves { Some(self.picture()?) } else { None };
        self.unsettled = leaves;
        let outcome;
        loop {
            match self.once(step) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
                done => break outcome = done,
            }
        }
        if let Some(before) = before {
            let changes = before.settle(self.engine, Duration::from_secs(5))?;
            if !changes.is_empty() {
                let what = format!("left behind:\n    {}", changes.join("\n    "));
                return Err(match outcome {
                    Ok(()) => anyhow::anyhow!("{what}"),
                    Err(error) => error.context(what),
                });
            }
        }
        outcome?;
        if self.options.check_each {
            invariants::check(self.engine)?;
        }
        Ok(())
    }

    fn once(&mut self, step: &Step) -> anyhow::Result<()> {
        let output = if step.tty.is_some() { self.terminal(step)? } else { self.plain(step)? };
        if self.options.record {
            self.record(step, &output);
        }
        let mut faults = Vec::new();
        let code_fits = step.code.map_or(output.code != 0, |code| code == output.code);
        if !code_fits || output.timed_out {
            faults.push("exit code".to_owned());
        }
        let free = step.stdout.is_empty() && (step.keep.is_some() || step.tty.is_some());
        if !free && let Some(what) = expect::mismatch(&step.stdout, &output.stdout, &self.variables)? {
            faults.push(format!("standard output {what}"));
        }
        if let Some(what) = expect::mismatch(&step.stderr, &output.stderr, &self.variables)? {
            faults.push(format!("standard error {what}"));
        }
        anyhow::ensure!(faults.is_empty(), "  {}\n{output}", faults.join("\n  "));
        if let Some(name) = &step.keep {
            self.variables.insert(name.clone(), output.text().to_owned());
        }
        Ok(())
    }

    fn plain(&self, step: &Step) -> anyhow::Result<Output> {
        let env: Vec<_> = self.variables.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut output = self.engine.run_for(self.cli, &step.command, step.timeout, &env)?;
        if output.stderr.contains(WAITED) {
            output.stderr = output.stderr.split_inclusive('\n').filter(|line| !line.contains(WAITED)).collect();
        }
        Ok(output)
    }

    fn terminal(&self, step: &Step) -> anyhow::Result<Output> {
        let started = Instant::now();
        let (rows, cols) = step.tty.unwrap_or((24, 80));
        let mut script = String::new();
        for (name, value) in &self.variables {
            script.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
        }
        script.push_str(&step.command);
        let mut pty = Pty::spawn(self.engine, self.cli, &script, rows, cols)?;
        for key in &step.keys {
            match key {
                Key::Expect(text) => drop(pty.expect(text, KEY_PATIENCE)?),
                Key::Send(text) => pty.send(text)?,
                Key::Resize(rows, cols) => pty.resize(*rows, *cols)?,
            }
        }
        let code = pty.finish(step.timeout)?;
        Ok(Output {
            command: step.command.clone(),
            code,
            stdout: pty.screen(),
            stderr: String::new(),
            took: started.elapsed(),
            timed_out: false,
        })
    }

    #[expect(clippy::print_stdout, reason = "this is what recording is for")]
    fn record(&self, step: &Step, output: &Output) {
        println!("\n== {}", step.title);
        println!("$ {}", step.command.replace('\n', "\n  "));
        for line in output.stdout.lines() {
            println!("> {}", line.trim_end_matches('\r'));
        }
        for line in output.stderr.lines() {
            println!("!> {line}");
        }
        if output.code != 0 {
            println!("? {}", output.code);
        }
    }
}
