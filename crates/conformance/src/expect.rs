//! Compares what a command printed with what it must print.

use crate::script::Line;
use anyhow::Context as _;
use regex_lite::Regex;
use std::collections::BTreeMap;

/// Values kept by earlier steps.
pub type Variables = BTreeMap<String, String>;

/// None when the text is as expected, else a picture of the first difference.
pub fn mismatch(expected: &[Line], text: &str, variables: &Variables) -> anyhow::Result<Option<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let matchers = expected.iter().map(|line| Matcher::new(line, variables)).collect::<anyhow::Result<Vec<_>>>()?;
    if matches(&matchers, &lines) {
        return Ok(None);
    }
    let wanted: Vec<String> = expected.iter().map(|l| show(l, variables)).collect();
    Ok(Some(format!("expected:\n{}\ngot:\n{}", indent(&wanted), indent(&lines))))
}

fn indent(lines: &[impl AsRef<str>]) -> String {
    if lines.is_empty() {
        return "    (nothing)".to_owned();
    }
    lines.iter().map(|l| format!("    {}", l.as_ref())).collect::<Vec<_>>().join("\n")
}

enum Matcher {
    Exact(String),
    Pattern(Regex),
    Any,
}

impl Matcher {
    fn new(line: &Line, variables: &Variables) -> anyhow::Result<Self> {
        Ok(match line {
            Line::Exact(text) => Self::Exact(fill(text, variables, str::to_owned)),
            Line::Pattern(text) => {
                let text = fill(text, variables, regex_lite::escape);
                Self::Pattern(Regex::new(&format!("^(?:{text})$")).with_context(|| format!("pattern {text:?}"))?)
            }
            Line::Any => Self::Any,
        })
    }

    fn fits(&self, line: &str) -> bool {
        match self {
            Self::Exact(text) => text == line.trim_end_matches(['\r', ' ']) || text == line,
            Self::Pattern(pattern) => pattern.is_match(line.trim_end_matches('\r')),
            Self::Any => true,
        }
    }
}

fn matches(expected: &[Matcher], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Matcher::Any, rest)), _) => (0..=lines.len()).any(|n| matches(rest, &lines[n..])),
        (Some(_), None) => false,
        (Some((first, rest)), Some((line, more))) => first.fits(line) && matches(rest, more),
    }
}

fn show(line: &Line, variables: &Variables) -> String {
    match line {
        Line::Exact(text) => fill(text, variables, str::to_owned),
        Line::Pattern(text) => format!("~ {}", fill(text, variables, str::to_owned)),
        Line::Any => "...".to_owned(),
    }
}

/// Puts the values of variables in the place of `<NAME>`.
fn fill(text: &str, variables: &Variables, quote: impl Fn(&str) -> String) -> String {
    let mut out = text.to_owned();
    for (name, value) in variables {
        out = out.replace(&format!("<{name}>"), &quote(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(expected: &[Line], text: &str) -> bool {
        let variables = Variables::from([("ID".to_owned(), "a.b".to_owned())]);
        mismatch(expected, text, &variables).unwrap().is_none()
    }

    #[test]
    fn lines() {
        let exact = |s: &str| Line::Exact(s.to_owned());
        let pattern = |s: &str| Line::Pattern(s.to_owned());
        assert!(fits(&[], ""));
        assert!(!fits(&[], "a"));
        assert!(fits(&[exact("a"), Line::Any, exact("z")], "a\nb\nc\nz\n"));
        assert!(!fits(&[exact("a"), Line::Any, exact("z")], "a\nb\n"));
        assert!(fits(&[pattern("x <ID> [0-9]+")], "x a.b 12\n"));
        assert!(!fits(&[pattern("x <ID> [0-9]+")], "x aXb 12\n"));
        assert!(!fits(&[pattern("x")], "xx"));
        assert!(fits(&[exact("<ID>")], "a.b\r\n"));
    }
}
