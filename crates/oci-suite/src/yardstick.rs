//! What runc and crun pass, as recorded in `yardstick.txt`: one line per case, the names of the runtimes that pass it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The record.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Yardstick {
    /// Versions, as comment lines without the `#`.
    pub versions: Vec<String>,
    /// Who passes a case.
    pub passed: BTreeMap<String, Vec<String>>,
}

impl Yardstick {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines() {
            if let Some(version) = line.strip_prefix("# ") {
                this.versions.push(version.to_owned());
            } else if let Some((name, who)) = line.split_once(':') {
                this.passed.insert(
                    name.to_owned(),
                    who.split_whitespace().filter(|one| *one != "-").map(str::to_owned).collect(),
                );
            }
        }
        this
    }

    /// Its text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for version in &self.versions {
            let _ = writeln!(text, "# {version}");
        }
        for (name, who) in &self.passed {
            let _ = writeln!(text, "{name}: {}", if who.is_empty() { "-".to_owned() } else { who.join(" ") });
        }
        text
    }

    /// Whether any runtime passes a case; `None` when it was never tried.
    pub fn passable(&self, case: &str) -> Option<bool> {
        self.passed.get(case).map(|who| !who.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_own_text() {
        let text = "# runc version 1\na.b: crun runc\na.c: -\n";
        let read = Yardstick::parse(text);
        assert_eq!((read.passable("a.b"), read.passable("a.c"), read.passable("a.d")), (Some(true), Some(false), None));
        assert_eq!(read.text(), text);
    }
}
