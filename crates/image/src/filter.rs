use std::collections::BTreeMap;

use crate::{Error, Result};

/// The filters of `GET /images/json` and `POST /images/prune`, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// `dangling`: only those without (`true`) or with (`false`) a name.
    pub dangling: Option<bool>,
    /// `reference`: shell patterns; one must match.
    pub reference: Vec<String>,
    /// `label`, `label!`: all must hold.
    pub labels: Vec<LabelCheck>,
    /// `before`: created before each of these images.
    pub before: Vec<String>,
    /// `since`: created after each of these images.
    pub since: Vec<String>,
    /// `until`: recorded before this time (Unix nanoseconds).
    pub until: Option<i128>,
}

/// One `label` or `label!` filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCheck {
    /// The label's name.
    pub key: String,
    /// Its value; `None` checks existence only.
    pub value: Option<String>,
    /// Whether the check is turned around.
    pub negate: bool,
}

impl ListFilter {
    /// Parses the `filters` argument (name → values). `until` values (RFC 3339, Unix seconds, Go durations back
    /// from now) are turned into Unix nanoseconds by `parse_time`, which the caller has (`units`).
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] for an unknown name or a value that does not parse, [`Error::InvalidTime`] for `until`.
    pub fn parse(args: &BTreeMap<String, Vec<String>>, parse_time: impl Fn(&str) -> Option<i128>) -> Result<Self> {
        let mut out = Self::default();
        for (name, values) in args {
            match name.as_str() {
                "dangling" => out.dangling = parse_bool(values)?,
                "reference" => out.reference.clone_from(values),
                "before" => out.before.clone_from(values),
                "since" => out.since.clone_from(values),
                "label" | "label!" => {
                    out.labels.extend(values.iter().map(|v| LabelCheck::parse(v, name == "label!")));
                }
                "until" => {
                    for v in values {
                        let t = parse_time(v).ok_or_else(|| Error::InvalidTime(v.clone()))?;
                        out.until = Some(out.until.map_or(t, |u| u.min(t)));
                    }
                }
                _ => return Err(Error::InvalidFilter(name.clone())),
            }
        }
        Ok(out)
    }
}

impl LabelCheck {
    fn parse(s: &str, mut negate: bool) -> Self {
        let (key, value) = match s.split_once('=') {
            Some((k, v)) => (k, Some(v.to_owned())),
            None => (s, None),
        };
        let key = match key.strip_suffix('!') {
            Some(k) => {
                negate = !negate;
                k
            }
            None => key,
        };
        Self { key: key.to_owned(), value, negate }
    }

    /// Whether an image with these labels passes.
    pub fn passes<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        match (get(&self.key), &self.value) {
            (found, None) => found.is_some() != self.negate,
            // Without the label there is no value to differ, as in Docker.
            (None, Some(_)) => false,
            (Some(have), Some(want)) => (have == want) != self.negate,
        }
    }
}

/// Docker's boolean filters: `1`/`true` and `0`/`false`; both together or anything else is an error.
fn parse_bool(values: &[String]) -> Result<Option<bool>> {
    let yes = values.iter().any(|v| v == "1" || v == "true");
    let no = values.iter().any(|v| v == "0" || v == "false");
    match (yes, no) {
        _ if values.is_empty() => Ok(None),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        _ => Err(Error::InvalidFilter(format!("dangling=[{}]", values.join(" ")))),
    }
}
