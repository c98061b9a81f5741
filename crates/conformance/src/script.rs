//! The format of case files.
//!
//! ```text
//! # a comment
//! == what the step shows
//! @ skip engine=docker-graph cli=stock20: why      (all conditions of one line must hold; several lines: any)
//! @ only cli=gantry
//! @ within 10                 try again for up to 10 s until the step passes
//! @ timeout 120               seconds a single try may take (default 60)
//! @ leaves engine=docker: why   it may change what lies around (else a run with `leave_nothing` fails)
//! @ tty 24 80                 on a terminal of 24 rows and 80 columns
//! $ docker run --rm "$BB" sh -c 'echo a; exit 3'
//!   && true                   (two spaces: the command goes on)
//! % / #                       terminal: wait for this text
//! < exit\r                    terminal: type (\r \n \t \e \\ \xNN)
//! ^ 30 100                    terminal: resize
//! > a                         standard output, a line exactly
//! ~ [0-9a-f]{64}              a line as a whole, as regular expression
//! *                           any lines
//! !> !~ !*                    the same for standard error
//! ? 3                         exit code (default 0; `? !0`: any but 0)
//! = NAME                      keep standard output as $NAME; <NAME> in expectations
//! ```
//!
//! Without lines for standard output it must be empty, except when `= NAME` takes it or the step is on a terminal;
//! without lines for standard error that must be empty.

use anyhow::{Context as _, bail};
use std::time::Duration;

/// A case file.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One command and what it must do.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What it shows.
    pub title: String,
    /// Line in the file.
    pub line: usize,
    /// Bash.
    pub command: String,
    /// Standard output.
    pub stdout: Vec<Line>,
    /// Standard error.
    pub stderr: Vec<Line>,
    /// Exit code; none: any but 0.
    pub code: Option<i32>,
    /// Variable that takes standard output.
    pub keep: Option<String>,
    /// How long to try again.
    pub within: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// Where it may leave something behind.
    pub leaves: Vec<Condition>,
    /// Rows and columns of the terminal.
    pub tty: Option<(u16, u16)>,
    /// What happens on the terminal.
    pub keys: Vec<Key>,
    /// Where not to run it.
    pub skip: Vec<Condition>,
    /// Where to run it, when not everywhere.
    pub only: Vec<Condition>,
}

/// An expected line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Exactly this.
    Exact(String),
    /// The whole line matches this.
    Pattern(String),
    /// Any number of lines.
    Any,
}

/// Something that happens on the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Wait for this text.
    Expect(String),
    /// Type this.
    Send(String),
    /// Make the window this many rows and columns.
    Resize(u16, u16),
}

/// Names of an engine and a command line, either of which may be left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    engine: Option<String>,
    cli: Option<String>,
    /// Why, for people.
    pub reason: String,
}

impl Condition {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (words, reason) = text.split_once(':').unwrap_or((text, ""));
        let mut condition = Self { reason: reason.trim().to_owned(), ..Self::default() };
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some(("engine", name)) => condition.engine = Some(name.to_owned()),
                Some(("cli", name)) => condition.cli = Some(name.to_owned()),
                _ => bail!("neither engine= nor cli=: {word:?}"),
            }
        }
        Ok(condition)
    }

    /// Does it hold for this pair? A name `docker` also stands for `docker-graph`, `stock` for both stock ones.
    pub fn holds(&self, engine: &str, cli: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|w| {
                w == name || (["docker", "stock"].contains(&w.as_str()) && name.starts_with(w.as_str()))
            })
        };
        is(&self.engine, engine) && is(&self.cli, cli)
    }
}

impl Step {
    fn new(title: &str, line: usize) -> Self {
        Self { title: title.to_owned(), line, code: Some(0), timeout: Duration::from_secs(60), ..Self::default() }
    }

    /// Why it is not run for this pair; none when it is.
    pub fn skipped(&self, engine: &str, cli: &str) -> Option<&str> {
        if let Some(condition) = self.skip.iter().find(|c| c.holds(engine, cli)) {
            return Some(&condition.reason);
        }
        let wanted = self.only.is_empty() || self.only.iter().any(|c| c.holds(engine, cli));
        if wanted { None } else { self.only.first().map(|c| c.reason.as_str()) }
    }

    /// May it leave something behind?
    pub fn leaves(&self, engine: &str, cli: &str) -> bool {
        self.leaves.iter().any(|c| c.holds(engine, cli))
    }

    fn option(&mut self, text: &str) -> anyhow::Result<()> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        match name {
            "skip" => self.skip.push(Condition::parse(value)?),
            "only" => self.only.push(Condition::parse(value)?),
            "within" => self.within = Duration::from_secs_f64(value.parse()?),
            "timeout" => self.timeout = Duration::from_secs_f64(value.parse()?),
            "leaves" => self.leaves.push(Condition::parse(value)?),
            "tty" => self.tty = Some(two(value)?),
            _ => bail!("unknown option {name:?}"),
        }
        Ok(())
    }
}

impl Script {
    /// Reads a case file.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut script = Self::default();
        for (n, line) in text.lines().enumerate() {
            let n = n + 1;
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if let Some(title) = line.strip_prefix("== ") {
                script.steps.push(Step::new(title, n));
                continue;
            }
            let step = script.steps.last_mut().with_context(|| format!("line {n}: before the first step"))?;
            read_line(step, line).with_context(|| format!("line {n}: {line}"))?;
        }
        if let Some(step) = script.steps.iter().find(|s| s.command.is_empty()) {
            bail!("line {}: a step without a command", step.line);
        }
        Ok(script)
    }
}

fn read_line(step: &mut Step, line: &str) -> anyhow::Result<()> {
    if let Some(rest) = line.strip_prefix("  ") {
        step.command.push('\n');
        step.command.push_str(rest);
        return Ok(());
    }
    let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
    match mark {
        "@" => step.option(rest)?,
        "$" if step.command.is_empty() => rest.clone_into(&mut step.command),
        "$" => bail!("a second command"),
        ">" => step.stdout.push(Line::Exact(rest.to_owned())),
        "~" => step.stdout.push(Line::Pattern(rest.to_owned())),
        "*" => step.stdout.push(Line::Any),
        "!>" => step.stderr.push(Line::Exact(rest.to_owned())),
        "!~" => step.stderr.push(Line::Pattern(rest.to_owned())),
        "!*" => step.stderr.push(Line::Any),
        "?" if rest == "!0" => step.code = None,
        "?" => step.code = Some(rest.trim().parse()?),
        "=" => step.keep = Some(rest.trim().to_owned()),
        "%" => step.keys.push(Key::Expect(unescape(rest)?)),
        "<" => step.keys.push(Key::Send(unescape(rest)?)),
        "^" => {
            let (rows, cols) = two(rest)?;
            step.keys.push(Key::Resize(rows, cols));
        }
        _ => bail!("unknown mark {mark:?}"),
    }
    Ok(())
}

fn two(text: &str) -> anyhow::Result<(u16, u16)> {
    let (a, b) = text.trim().split_once(' ').context("two numbers are due")?;
    Ok((a.parse()?, b.trim().parse()?))
}

fn unescape(text: &str) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('e') => out.push('\u{1b}'),
            Some('\\') => out.push('\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(char::from(u8::from_str_radix(&digits, 16)?));
            }
            other => bail!("unknown escape \\{other:?}"),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_with_everything() {
        let text = "# c\n== run\n@ skip cli=stock20: old\n@ within 2\n$ docker run\n  x\n> a b\n~ [0-9]+\n*\n!> e\n? 3\n= ID\n";
        let step = Script::parse(text).unwrap().steps.remove(0);
        assert_eq!(step.command, "docker run\nx");
        assert_eq!(step.stdout, [Line::Exact("a b".into()), Line::Pattern("[0-9]+".into()), Line::Any]);
        assert_eq!(step.stderr, [Line::Exact("e".into())]);
        assert_eq!((step.code, step.keep.as_deref()), (Some(3), Some("ID")));
        assert_eq!(step.skipped("docker", "stock20"), Some("old"));
        assert_eq!(step.skipped("docker", "stock28"), None);
    }

    #[test]
    fn keys() {
        let step = Script::parse("== t\n@ tty 24 80\n$ sh\n% $ \n< a\\x10\\r\n^ 30 100\n").unwrap().steps.remove(0);
        assert_eq!(step.tty, Some((24, 80)));
        assert_eq!(step.keys[1..], [Key::Send("a\u{10}\r".into()), Key::Resize(30, 100)]);
    }

    #[test]
    fn faults_name_the_line() {
        let error = format!("{:#}", Script::parse("== t\n$ a\n& b\n").unwrap_err());
        assert!(error.starts_with("line 3"), "{error}");
        assert!(Script::parse("== t\n").is_err());
    }

    #[test]
    fn only_elsewhere() {
        let step = Script::parse("== t\n@ only engine=gantry cli=stock\n$ a\n").unwrap().steps.remove(0);
        assert_eq!(step.skipped("gantry", "stock20"), None);
        assert!(step.skipped("docker", "stock20").is_some());
        assert!(step.skipped("gantry", "gantry").is_some());
    }
}
