//! The `filters` argument of Docker's list, prune and events calls.

use std::collections::{BTreeMap, BTreeSet};

use error::{ErrorKind, HasKind};
use serde_json::{Map, Value};
use thiserror::Error;

/// A filter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Not JSON of either form.
    #[error("invalid filter")]
    Malformed,
    /// The key is not known to this call.
    #[error("invalid filter '{key}'")]
    Key {
        /// The unknown key.
        key: String,
    },
    /// The values of a key make no sense.
    #[error("invalid filter '{key}=[{}]'", .values.join(" "))]
    Value {
        /// The key.
        key: String,
        /// All values given for it.
        values: Vec<String>,
    },
    /// A command-line filter without `=`.
    #[error("bad format of filter (expected name=value)")]
    Format,
}

impl HasKind for FilterError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Keys with the set of values given for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Filters {
    /// No filter at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the query parameter: `{"key":{"value":true}}`, or the older `{"key":["value"]}`. Empty text is no filter.
    pub fn from_json(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self::new());
        }
        let value: Value = serde_json::from_str(text).map_err(|_| FilterError::Malformed)?;
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Ok(Self::new()),
            _ => return Err(FilterError::Malformed),
        };
        let mut fields = BTreeMap::new();
        for (key, value) in object {
            fields.insert(key, values_of(value)?);
        }
        Ok(Self { fields })
    }

    /// Adds one `name=value` as typed on the command line. Empty text adds nothing.
    pub fn add_cli(&mut self, text: &str) -> Result<(), FilterError> {
        if text.is_empty() {
            return Ok(());
        }
        let (name, value) = text.split_once('=').ok_or(FilterError::Format)?;
        self.add(&name.trim().to_lowercase(), value.trim());
        Ok(())
    }

    /// The form that goes on the wire (`{"key":{"value":true}}`), empty text when there is no filter.
    pub fn to_json(&self) -> String {
        if self.fields.is_empty() {
            return String::new();
        }
        let object = self
            .fields
            .iter()
            .map(|(key, values)| {
                let inner: Map<_, _> = values.iter().map(|v| (v.clone(), Value::Bool(true))).collect();
                (key.clone(), Value::Object(inner))
            })
            .collect();
        Value::Object(object).to_string()
    }

    /// Adds a value to a key.
    pub fn add(&mut self, key: &str, value: &str) {
        self.fields.entry(key.to_owned()).or_default().insert(value.to_owned());
    }

    /// Takes a key with all its values away.
    pub fn remove(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Whether the key was given.
    pub fn contains(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The values of a key, sorted.
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.fields.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Whether the key was given with exactly this value.
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.fields.get(key).is_some_and(|values| values.contains(value))
    }

    /// Refuses any key that is not `accepted`.
    pub fn validate(&self, accepted: &[&str]) -> Result<(), FilterError> {
        match self.fields.keys().find(|key| !accepted.contains(&key.as_str())) {
            Some(key) => Err(FilterError::Key { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// The key as a boolean (`1`, `true`, `0`, `false`), `default` when absent.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool, FilterError> {
        let Some(values) = self.fields.get(key) else { return Ok(default) };
        if values.is_empty() {
            return Err(FilterError::Key { key: key.to_owned() });
        }
        let no = values.contains("0") || values.contains("false");
        let yes = values.contains("1") || values.contains("true");
        if no == yes {
            return Err(self.invalid(key));
        }
        Ok(yes)
    }

    /// The error that names the key with all its values.
    pub fn invalid(&self, key: &str) -> FilterError {
        FilterError::Value { key: key.to_owned(), values: self.get(key).map(str::to_owned).collect() }
    }

    /// No such key, or `source` is one of its values.
    pub fn exact_match(&self, key: &str, source: &str) -> bool {
        self.fields.get(key).is_none_or(|values| values.is_empty() || values.contains(source))
    }

    /// No such key, or its only value is `source`.
    pub fn unique_exact_match(&self, key: &str, source: &str) -> bool {
        self.fields.get(key).is_none_or(|v| v.is_empty() || (v.len() == 1 && v.contains(source)))
    }

    /// No such key, or one of its values is a prefix of `source`.
    pub fn fuzzy_match(&self, key: &str, source: &str) -> bool {
        self.exact_match(key, source) || self.get(key).any(|value| source.starts_with(value))
    }

    /// No such key, or one of its values matches through `matcher(value)` (for names: a regular expression match,
    /// which is the caller's so that this crate stays small), or equals `source`.
    pub fn match_with(&self, key: &str, source: &str, mut matcher: impl FnMut(&str, &str) -> bool) -> bool {
        self.exact_match(key, source) || self.get(key).any(|value| matcher(value, source))
    }

    /// No such key, or every `k` / `k=v` among its values holds of `sources` (labels); `lookup(k)` gives the value of a label.
    pub fn match_kv<'a>(&self, key: &str, mut lookup: impl FnMut(&str) -> Option<&'a str>) -> bool {
        self.get(key).all(|wanted| match wanted.split_once('=') {
            Some((k, v)) => lookup(k) == Some(v),
            None => lookup(wanted).is_some(),
        })
    }
}

fn values_of(value: Value) -> Result<BTreeSet<String>, FilterError> {
    match value {
        Value::Null => Ok(BTreeSet::new()),
        Value::Object(inner) => inner
            .into_iter()
            .filter_map(|(value, on)| match on {
                Value::Bool(true) => Some(Ok(value)),
                Value::Bool(false) => None,
                _ => Some(Err(FilterError::Malformed)),
            })
            .collect(),
        Value::Array(list) => list
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(FilterError::Malformed),
            })
            .collect(),
        _ => Err(FilterError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wire_forms() {
        let new = Filters::from_json(r#"{"status":{"running":true,"paused":true},"label":{"a=b":true}}"#).unwrap();
        let old = Filters::from_json(r#"{"status":["running","paused"],"label":["a=b"]}"#).unwrap();
        assert_eq!(new, old);
        assert_eq!(Filters::from_json(&new.to_json()), Ok(new));
        assert_eq!(Filters::from_json("[]").unwrap_err().to_string(), "invalid filter");
        assert_eq!(Filters::from_json("{"), Err(FilterError::Malformed));
        assert!(Filters::from_json("").unwrap().is_empty());
    }

    #[test]
    fn booleans_and_validation() {
        let f = Filters::from_json(r#"{"dangling":["x","y"]}"#).unwrap();
        assert_eq!(f.bool_or("dangling", false).unwrap_err().to_string(), "invalid filter 'dangling=[x y]'");
        assert_eq!(f.validate(&["label"]).unwrap_err().to_string(), "invalid filter 'dangling'");
        let f = Filters::from_json(r#"{"dangling":["true"]}"#).unwrap();
        assert_eq!(f.bool_or("dangling", false), Ok(true));
        assert_eq!(f.bool_or("other", true), Ok(true));
    }

    #[test]
    fn labels() {
        let f = Filters::from_json(r#"{"label":["a=1","b"]}"#).unwrap();
        let labels = |k: &str| match k {
            "a" => Some("1"),
            "b" => Some(""),
            _ => None,
        };
        assert!(f.match_kv("label", labels));
        assert!(!f.match_kv("label", |_| None));
        assert!(f.match_kv("other", |_| None));
    }

    #[test]
    fn command_line() {
        let mut f = Filters::new();
        f.add_cli("Status = running").unwrap();
        assert!(f.has("status", "running"));
        assert_eq!(f.add_cli("x").unwrap_err().to_string(), "bad format of filter (expected name=value)");
    }
}
