//! Case files.
//!
//! ```text
//! # comment
//! case GROUP.NAME
//! spec {"process":{"noNewPrivileges":true}}     a change to the spec; several add up
//! pre mkdir src                                 shell on the host, in the bundle, before
//! in grep NoNewPrivs /proc/self/status          shell in the container (the process's args)
//! host rt run $id                               shell on the host; this one is what is done when none is given
//! out NoNewPrivs: 1                             a line of standard output; `~` before it: a pattern for the line;
//!                                               `out -`: nothing
//! err unknown capability                        a pattern that standard error must contain (case does not matter)
//! code 0                                        exit status of the host script; `fail`: any but 0
//! needs v1:hugetlb                              a condition on the machine, see `run::met`
//! allow leftovers                               what is left behind is not looked at
//! row ro | read-only                            one case per row: `%1`, `%2` elsewhere are its cells, `\|` is a bar in one
//! ```
//!
//! A line that begins with a blank continues the one before. `@B@` stands for the bundle, `@ID@` for the container's id,
//! `@PROBE@` for the probe on the host. In host scripts `rt` calls the runtime, `$id` is the container, `$B` the
//! bundle (also the working directory), `$PROBE` the probe.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// `GROUP.NAME`.
    pub name: String,
    /// Changes to the spec, as JSON text in which `@B@` and so on are not replaced yet.
    pub spec: Vec<String>,
    /// Host script before.
    pub pre: Vec<String>,
    /// Script of the container.
    pub inside: Vec<String>,
    /// Host script that replaces `rt run $id`.
    pub host: Vec<String>,
    /// Lines of standard output.
    pub out: Vec<String>,
    /// Patterns in standard error.
    pub err: Vec<String>,
    /// Exit status: `None` any but 0.
    pub code: Option<i32>,
    /// Conditions.
    pub needs: Vec<String>,
    /// Whether leftovers are looked at.
    pub clean: bool,
}

impl Case {
    /// The part of the name before the dot.
    pub fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// Reads all case files of a directory, in the order of their names.
pub fn read_dir(dir: &Path) -> anyhow::Result<Vec<Case>> {
    let mut files: Vec<_> = fs::read_dir(dir)?.flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        all.extend(parse(&text).with_context(|| file.display().to_string())?);
    }
    let mut seen = HashSet::new();
    if let Some(twice) = all.iter().find(|case| !seen.insert(case.name.as_str())) {
        bail!("case {} is there twice", twice.name);
    }
    Ok(all)
}

/// Reads the text of a case file.
pub fn parse(text: &str) -> anyhow::Result<Vec<Case>> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match (line.starts_with(' '), lines.last_mut()) {
            (true, Some((_, last))) => {
                last.push('\n');
                last.push_str(line.trim_start());
            }
            _ => lines.push((at + 1, line.to_owned())),
        }
    }
    let mut blocks: Vec<Vec<(usize, String)>> = Vec::new();
    for (at, line) in lines {
        if line.starts_with("case ") {
            blocks.push(Vec::new());
        }
        blocks.last_mut().with_context(|| format!("line {at}: no case yet"))?.push((at, line));
    }
    let mut cases = Vec::new();
    for block in blocks {
        let (rows, lines): (Vec<_>, Vec<_>) = block.into_iter().partition(|(_, line)| line.starts_with("row "));
        if rows.is_empty() {
            cases.push(one(&lines, &[])?);
        }
        for (_, row) in &rows {
            let row = format!("{} ", row.trim_start_matches("row "));
            let cells: Vec<String> = row.split(" | ").map(|cell| cell.trim().replace("\\|", "|")).collect();
            cases.push(one(&lines, &cells)?);
        }
    }
    Ok(cases)
}

/// One case of a block; `cells` replace `%1` and so on.
fn one(lines: &[(usize, String)], cells: &[String]) -> anyhow::Result<Case> {
    let mut case = Case { code: Some(0), clean: true, ..Case::default() };
    for (at, line) in lines {
        let mut line = line.clone();
        for (n, cell) in cells.iter().enumerate().rev() {
            line = line.replace(&format!("%{}", n + 1), cell);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if word == "case" {
            rest.trim().clone_into(&mut case.name);
        } else {
            set(&mut case, word, rest).with_context(|| format!("line {at}, case {}", case.name))?;
        }
    }
    Ok(case)
}

fn set(case: &mut Case, word: &str, rest: &str) -> anyhow::Result<()> {
    let list = match word {
        "spec" => {
            serde_json::from_str::<Value>(rest).context("the change is no JSON")?;
            &mut case.spec
        }
        "pre" => &mut case.pre,
        "in" => &mut case.inside,
        "host" => &mut case.host,
        "out" => &mut case.out,
        "err" => &mut case.err,
        "needs" => &mut case.needs,
        "code" => {
            case.code = Some(rest.trim().parse()?);
            return Ok(());
        }
        "fail" => {
            case.code = None;
            return Ok(());
        }
        "allow" => {
            case.clean = false;
            return Ok(());
        }
        other => bail!("no such word: {other}"),
    };
    list.push(rest.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_words_and_continuations() {
        let cases = parse("# c\ncase a.b\nspec {\"x\":\n  1}\nin echo 1\n  echo 2\nout 1\nout ~2.*\nfail\n").unwrap();
        assert_eq!(cases.len(), 1);
        let case = &cases[0];
        assert_eq!((case.name.as_str(), case.group(), case.code), ("a.b", "a", None));
        assert_eq!(case.spec, ["{\"x\":\n1}"]);
        assert_eq!(case.inside, ["echo 1\necho 2"]);
        assert_eq!(case.out, ["1", "~2.*"]);
        let rows = parse("case a.%1\nin echo %2\nrow x | 1\nrow y | 2\n").unwrap();
        assert_eq!((rows.len(), rows[1].name.as_str(), rows[1].inside[0].as_str()), (2, "a.y", "echo 2"));
        assert!(parse("in x\n").is_err());
        assert!(parse("case a\nnonsense x\n").is_err());
    }
}
