//! Go's and Docker's functions.

use std::cmp::Ordering;

use serde_json::Value;
use units::gofmt::{format_float, format_g, quote};

use crate::value::{Val, go_print, to_go_json};

const FUNCTIONS: [&str; 28] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery", "add",
];

pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS[..27].contains(&name)
}

/// Calls a function; `and` and `or` are handled by the caller, since they do not evaluate everything.
pub(crate) fn call(name: &str, args: &[Val]) -> Result<Val, String> {
    let text = |s: String| Ok(Val::Json(Value::String(s)));
    let boolean = |b: bool| Ok(Val::Json(Value::Bool(b)));
    match name {
        "not" => boolean(!one(name, args)?.truth()),
        "len" => length(one(name, args)?),
        "index" => index(args),
        "slice" => slice(args),
        "print" => text(sprint(args)),
        "println" => text(args.iter().map(Val::print).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => {
            let format = string(name, args, 0)?;
            text(sprintf(&format, &args[1..]))
        }
        "html" => text(escape_html(&sprint(args))),
        "js" => text(escape_js(&sprint(args))),
        "urlquery" => text(escape_query(&sprint(args))),
        "eq" => equal(args).and_then(boolean),
        "ne" => {
            exactly(name, args, 2)?;
            equal(args).and_then(|b| boolean(!b))
        }
        "lt" | "le" | "gt" | "ge" => {
            exactly(name, args, 2)?;
            let order = compare(&args[0], &args[1])?;
            boolean(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
        "call" => Err("call of non-function".to_owned()),
        "json" => text(to_go_json(&one(name, args)?.clone().json())),
        "split" => {
            exactly(name, args, 2)?;
            let (subject, separator) = (string(name, args, 0)?, string(name, args, 1)?);
            let parts: Vec<Value> = if separator.is_empty() {
                subject.chars().map(|c| Value::String(c.to_string())).collect()
            } else {
                subject.split(&separator).map(|p| Value::String(p.to_owned())).collect()
            };
            Ok(Val::Json(Value::Array(parts)))
        }
        "join" => {
            exactly(name, args, 2)?;
            let Val::Json(Value::Array(items)) = &args[0] else { return Err(wrong_type(name, args, 0, "[]string")) };
            text(items.iter().map(go_print).collect::<Vec<_>>().join(&string(name, args, 1)?))
        }
        "title" => text(title(&single_string(name, args)?)),
        "lower" => text(single_string(name, args)?.to_lowercase()),
        "upper" => text(single_string(name, args)?.to_uppercase()),
        "pad" => {
            exactly(name, args, 3)?;
            let subject = string(name, args, 0)?;
            if subject.is_empty() {
                return text(subject);
            }
            let blanks = |i: usize| integer(name, args, i).map(|n| " ".repeat(usize::try_from(n).unwrap_or(0)));
            text(format!("{}{subject}{}", blanks(1)?, blanks(2)?))
        }
        "truncate" => {
            exactly(name, args, 2)?;
            let limit = usize::try_from(integer(name, args, 1)?).unwrap_or(0);
            text(string(name, args, 0)?.chars().take(limit).collect())
        }
        _ => Err(format!("function {name:?} not defined")),
    }
}

fn exactly(name: &str, args: &[Val], want: usize) -> Result<(), String> {
    if args.len() == want {
        return Ok(());
    }
    Err(format!("wrong number of args for {name}: want {want} got {}", args.len()))
}

fn one<'a>(name: &str, args: &'a [Val]) -> Result<&'a Val, String> {
    exactly(name, args, 1)?;
    Ok(&args[0])
}

fn wrong_type(name: &str, args: &[Val], at: usize, want: &str) -> String {
    let got = args.get(at).map_or("nil", type_name);
    let _ = name;
    format!("wrong type for value; expected {want}; got {got}")
}

fn type_name(value: &Val) -> &'static str {
    match value {
        Val::Missing | Val::Json(Value::Null) => "nil",
        Val::Json(Value::Bool(_)) => "bool",
        Val::Json(Value::Number(n)) if n.is_f64() => "float64",
        Val::Json(Value::Number(_)) => "int",
        Val::Json(Value::String(_)) => "string",
        Val::Json(Value::Array(_)) => "[]interface {}",
        Val::Json(Value::Object(_)) => "map[string]interface {}",
    }
}

fn string(name: &str, args: &[Val], at: usize) -> Result<String, String> {
    match args.get(at) {
        Some(Val::Json(Value::String(s))) => Ok(s.clone()),
        None => Err(format!("wrong number of args for {name}: want at least {} got {}", at + 1, args.len())),
        Some(_) => Err(wrong_type(name, args, at, "string")),
    }
}

fn single_string(name: &str, args: &[Val]) -> Result<String, String> {
    exactly(name, args, 1)?;
    string(name, args, 0)
}

fn integer(name: &str, args: &[Val], at: usize) -> Result<i64, String> {
    match args.get(at) {
        Some(Val::Json(Value::Number(n))) if n.is_i64() || n.is_u64() => Ok(n.as_i64().unwrap_or(i64::MAX)),
        _ => Err(wrong_type(name, args, at, "int")),
    }
}

fn length(value: &Val) -> Result<Val, String> {
    let n = match value {
        Val::Json(Value::String(s)) => s.len(),
        Val::Json(Value::Array(a)) => a.len(),
        Val::Json(Value::Object(o)) => o.len(),
        Val::Missing | Val::Json(Value::Null) => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", type_name(other))),
    };
    Ok(Val::Json(Value::from(n)))
}

fn index(args: &[Val]) -> Result<Val, String> {
    let Some((first, keys)) = args.split_first() else {
        return Err("wrong number of args for index: want at least 1 got 0".to_owned());
    };
    let mut current = first.clone();
    for key in keys {
        current = match (&current, key) {
            (Val::Json(Value::Object(map)), Val::Json(Value::String(key))) => {
                let empty = if map.values().all(Value::is_string) { Value::String(String::new()) } else { Value::Null };
                Val::Json(map.get(key).cloned().unwrap_or(empty))
            }
            (Val::Json(Value::Array(items)), Val::Json(Value::Number(n))) => {
                let at = n.as_i64().unwrap_or(-1);
                let found = usize::try_from(at).ok().and_then(|i| items.get(i));
                Val::Json(found.cloned().ok_or_else(|| format!("error calling index: index out of range: {at}"))?)
            }
            (Val::Json(Value::String(text)), Val::Json(Value::Number(n))) => {
                let at = n.as_i64().unwrap_or(-1);
                let byte = usize::try_from(at).ok().and_then(|i| text.as_bytes().get(i));
                Val::Json(Value::from(*byte.ok_or_else(|| format!("error calling index: index out of range: {at}"))?))
            }
            (Val::Missing | Val::Json(Value::Null), _) => {
                return Err("error calling index: index of untyped nil".to_owned());
            }
            (Val::Json(Value::Object(_) | Value::Array(_)), key) => {
                let want = if matches!(current, Val::Json(Value::Array(_))) {
                    "cannot index slice/array with type"
                } else {
                    "value has type"
                };
                return Err(if want.starts_with("cannot") {
                    format!("error calling index: {want} {}", type_name(key))
                } else {
                    format!("error calling index: {want} {}; should be string", type_name(key))
                });
            }
            (other, _) => return Err(format!("error calling index: can't index item of type {}", type_name(other))),
        };
    }
    Ok(current)
}

fn slice(args: &[Val]) -> Result<Val, String> {
    let bound = |i: usize, default: usize| -> Result<usize, String> {
        if i >= args.len() {
            return Ok(default);
        }
        usize::try_from(integer("slice", args, i)?).map_err(|_| "error calling slice: index out of range".to_owned())
    };
    let range = |len: usize| -> Result<(usize, usize), String> {
        let (from, to) = (bound(1, 0)?, bound(2, len)?);
        if to > len {
            return Err(format!("error calling slice: index out of range: {to}"));
        }
        if from > to {
            return Err(format!("error calling slice: invalid slice index: {from} > {to}"));
        }
        Ok((from, to))
    };
    match args.first() {
        Some(Val::Json(Value::String(text))) => {
            let (from, to) = range(text.len())?;
            let cut = text
                .get(from..to)
                .map_or_else(|| String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned(), str::to_owned);
            Ok(Val::Json(Value::String(cut)))
        }
        Some(Val::Json(Value::Array(items))) => {
            let (from, to) = range(items.len())?;
            Ok(Val::Json(Value::Array(items[from..to].to_vec())))
        }
        Some(other) => Err(format!("error calling slice: can't slice item of type {}", type_name(other))),
        None => Err("wrong number of args for slice: want at least 1 got 0".to_owned()),
    }
}

fn equal(args: &[Val]) -> Result<bool, String> {
    let Some((first, others)) = args.split_first() else {
        return Err("wrong number of args for eq: want at least 1 got 0".to_owned());
    };
    if others.is_empty() {
        return Err("error calling eq: missing argument for comparison".to_owned());
    }
    for other in others {
        let same = match (first, other) {
            (Val::Json(Value::Number(a)), Val::Json(Value::Number(b))) => a.as_f64() == b.as_f64(),
            (Val::Missing | Val::Json(Value::Null), other) => matches!(other, Val::Missing | Val::Json(Value::Null)),
            (_, Val::Missing | Val::Json(Value::Null)) => false,
            (a, b) if type_name(a) != type_name(b) => {
                return Err("error calling eq: incompatible types for comparison".to_owned());
            }
            (Val::Json(Value::Array(_) | Value::Object(_)), _) => {
                return Err("error calling eq: non-comparable type".to_owned());
            }
            (a, b) => a == b,
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(a: &Val, b: &Val) -> Result<Ordering, String> {
    match (a, b) {
        (Val::Json(Value::Number(a)), Val::Json(Value::Number(b))) => {
            Ok(a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal))
        }
        (Val::Json(Value::String(a)), Val::Json(Value::String(b))) => Ok(a.cmp(b)),
        _ => Err("error calling lt: incompatible types for comparison".to_owned()),
    }
}

/// `fmt.Sprint`: a blank between operands when neither is a string.
fn sprint(args: &[Val]) -> String {
    let mut out = String::new();
    let mut previous_text = true;
    for (i, arg) in args.iter().enumerate() {
        let is_text = matches!(arg, Val::Json(Value::String(_)));
        if i > 0 && !is_text && !previous_text {
            out.push(' ');
        }
        out.push_str(&print_nil(arg));
        previous_text = is_text;
    }
    out
}

fn print_nil(value: &Val) -> String {
    match value {
        Val::Missing => "<nil>".to_owned(),
        other => other.print(),
    }
}

/// `fmt.Sprintf` with flags, width and precision.
fn sprintf(format: &str, args: &[Val]) -> String {
    let mut out = String::new();
    let mut next = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                _ => {}
            }
        }
        spec.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(arg) = args.get(next) else {
            out.push_str(&format!("%!{verb}(MISSING)"));
            continue;
        };
        next += 1;
        out.push_str(&spec.pad(&spec.convert(verb, arg)));
    }
    if next < args.len() {
        let extra: Vec<String> = args[next..].iter().map(|a| format!("{}={}", type_name(a), print_nil(a))).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut value = None;
    while let Some(d) = chars.next_if(char::is_ascii_digit) {
        value = Some((value.unwrap_or(0_usize) * 10 + d.to_digit(10).unwrap_or(0) as usize).min(10_000));
    }
    value
}

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn convert(&self, verb: char, arg: &Val) -> String {
        let bad = || format!("%!{verb}({}={})", type_name(arg), print_nil(arg));
        match (verb, arg) {
            ('v', arg) => print_nil(arg),
            ('s', Val::Json(Value::Number(_) | Value::Bool(_))) => bad(),
            ('s', arg) => {
                let text = print_nil(arg);
                self.precision.map_or(text.clone(), |p| text.chars().take(p).collect())
            }
            ('q', Val::Json(Value::String(s))) => quote(s),
            ('t', Val::Json(Value::Bool(b))) => b.to_string(),
            ('d', Val::Json(Value::Number(n))) if !n.is_f64() => {
                let sign = if self.plus && n.as_i64().is_some_and(|n| n >= 0) { "+" } else { "" };
                format!("{sign}{n}")
            }
            ('x', Val::Json(Value::Number(n))) if !n.is_f64() => {
                format!("{}{:x}", if self.sharp { "0x" } else { "" }, n.as_i64().unwrap_or(0))
            }
            ('o', Val::Json(Value::Number(n))) if !n.is_f64() => format!("{:o}", n.as_i64().unwrap_or(0)),
            ('c', Val::Json(Value::Number(n))) => n
                .as_u64()
                .and_then(|n| u32::try_from(n).ok())
                .and_then(char::from_u32)
                .map_or_else(bad, |c| c.to_string()),
            ('x', Val::Json(Value::String(s))) => s.bytes().map(|b| format!("{b:02x}")).collect(),
            ('f' | 'F', Val::Json(Value::Number(n))) if n.is_f64() => {
                format!("{:.*}", self.precision.unwrap_or(6), n.as_f64().unwrap_or(0.0))
            }
            ('g', Val::Json(Value::Number(n))) if n.is_f64() => {
                let value = n.as_f64().unwrap_or(0.0);
                self.precision.map_or_else(|| format_float(value), |p| format_g(value, p))
            }
            ('T', arg) => type_name(arg).to_owned(),
            _ => bad(),
        }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width.unwrap_or(0);
        let missing = width.saturating_sub(text.chars().count());
        if self.left {
            format!("{text}{}", " ".repeat(missing))
        } else if self.zero && text.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{}{text}", "0".repeat(missing))
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        start = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
