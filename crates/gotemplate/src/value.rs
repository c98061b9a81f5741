//! Values while a template runs, and how Go prints them.

use std::fmt::Write as _;

use serde_json::Value;
use units::gofmt::format_float;

/// A value, or the absence of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val {
    /// Nothing there (`<no value>`).
    Missing,
    Json(Value),
}

impl Val {
    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Json(Value::Null) => false,
            Self::Json(Value::Bool(b)) => *b,
            Self::Json(Value::Number(n)) => n.as_f64().is_some_and(|f| f != 0.0),
            Self::Json(Value::String(s)) => !s.is_empty(),
            Self::Json(Value::Array(a)) => !a.is_empty(),
            Self::Json(Value::Object(o)) => !o.is_empty(),
        }
    }

    /// `{{.}}` at the top of an action.
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Missing => "<no value>".to_owned(),
            Self::Json(value) => go_print(value),
        }
    }

    pub(crate) fn json(self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Json(value) => value,
        }
    }
}

/// `fmt.Sprint` of a value: `map[a:1 b:[x y]]`.
pub(crate) fn go_print(value: &Value) -> String {
    let mut out = String::new();
    print_into(&mut out, value);
    out
}

fn print_into(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => out.push_str(&format_float(f)),
            _ => {
                let _ = write!(out, "{n}");
            }
        },
        Value::String(s) => out.push_str(s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                print_into(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_by_key(|(k, _)| k.as_str());
            out.push_str("map[");
            for (i, (key, item)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                print_into(out, item);
            }
            out.push(']');
        }
    }
}

/// Compact JSON as Go's encoder writes it with HTML escaping off (U+2028 and U+2029 are escaped).
pub fn to_go_json(value: &Value) -> String {
    let text = value.to_string();
    if text.contains(['\u{2028}', '\u{2029}']) {
        text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    } else {
        text
    }
}
