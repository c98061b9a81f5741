//! The progress of pull, push, load and import: one JSON document per line from the engine.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};

use serde_json::Value;
use units::human_size;

use crate::console;
use crate::failure::{Failure, Result};
use crate::format::text;

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    Stderr,
    Nowhere,
}

impl Target {
    fn is_terminal(self) -> bool {
        use std::io::IsTerminal as _;
        match self {
            Self::Stdout => console::stdout_is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
            Self::Nowhere => false,
        }
    }

    fn write(self, text: &str) -> Result<()> {
        match self {
            Self::Stdout => console::out(text),
            Self::Stderr => {
                console::err_bytes(text.as_bytes());
                Ok(())
            }
            Self::Nowhere => Ok(()),
        }
    }
}

/// Shows a stream of messages until its end; an error among them is the command's. `aux` receives auxiliary documents.
pub(crate) fn show(body: impl Read, target: Target, mut aux: impl FnMut(&Value)) -> Result<()> {
    let terminal = target.is_terminal();
    let mut rows: HashMap<String, usize> = HashMap::new();
    let mut reader = BufReader::new(body);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let message: Value = match serde_json::from_slice(&line) {
            Ok(message) => message,
            Err(e) => return Err(Failure::new(e.to_string())),
        };
        if let Some(document) = message.get("aux") {
            aux(document);
            continue;
        }
        if let Some(failure) = error_of(&message) {
            return Err(failure);
        }
        display(&message, target, terminal, &mut rows)?;
    }
}

fn error_of(message: &Value) -> Option<Failure> {
    let detail = message.get("errorDetail").filter(|d| d.is_object());
    let plain = message.get("error").and_then(Value::as_str);
    if detail.is_none() && plain.is_none() {
        return None;
    }
    let code = detail.and_then(|d| d["code"].as_i64()).unwrap_or(0);
    if code == 401 {
        return Some(Failure::new("authentication is required"));
    }
    let told = detail.and_then(|d| d["message"].as_str()).filter(|m| !m.is_empty()).or(plain);
    Some(Failure::new(told.unwrap_or_default()))
}

fn display(message: &Value, target: Target, terminal: bool, rows: &mut HashMap<String, usize>) -> Result<()> {
    let id = text(message, "id");
    let mut up = 0;
    let mut out = String::new();
    if !id.is_empty() && (message["progressDetail"].is_object() || !text(message, "progress").is_empty()) {
        let next = rows.len();
        let known = rows.contains_key(id);
        let row = *rows.entry(id.to_owned()).or_insert(next);
        if terminal {
            if !known {
                out.push('\n');
            }
            up = rows.len() - row;
            out.push_str(&format!("\x1b[{up}A"));
        }
    } else {
        rows.clear();
    }
    out.push_str(&rendered(message, terminal));
    if up > 0 {
        out.push_str(&format!("\x1b[{up}B"));
    }
    target.write(&out)
}

/// One message as a line; on a terminal, one with progress is drawn over.
fn rendered(message: &Value, terminal: bool) -> String {
    let detail = message.get("progressDetail").filter(|d| d.is_object());
    let mut out = String::new();
    let mut ending = "";
    if let Some(detail) = detail {
        if terminal && text(message, "stream").is_empty() {
            out.push_str("\x1b[2K\r");
            ending = "\r";
        } else if !bar(detail).is_empty() {
            // A file is no place for a bar.
            return out;
        }
    }
    let id = text(message, "id");
    if !id.is_empty() {
        out.push_str(&format!("{id}: "));
    }
    let from = text(message, "from");
    if !from.is_empty() {
        out.push_str(&format!("(from {from}) "));
    }
    let status = text(message, "status");
    let line = match detail {
        Some(detail) if terminal => format!("{status} {}{ending}", bar(detail)),
        _ if !text(message, "progress").is_empty() && detail.is_none() => {
            format!("{status} {}{ending}", text(message, "progress"))
        }
        _ if !text(message, "stream").is_empty() => format!("{}{ending}", text(message, "stream")),
        _ => format!("{status}{ending}\n"),
    };
    out.push_str(&line);
    out
}

/// `[====>     ]  1.2MB/3MB 4s`
fn bar(detail: &Value) -> String {
    let (current, total) = (detail["current"].as_i64().unwrap_or(0), detail["total"].as_i64().unwrap_or(0));
    if current <= 0 && total <= 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let size = |n: i64| human_size(n as f64);
    let units = text(detail, "units");
    if total <= 0 {
        return if units.is_empty() { format!("{:>8}", size(current)) } else { format!("{current} {units}") };
    }
    let half = usize::try_from(current.saturating_mul(100) / total / 2).unwrap_or(0).min(50);
    let width = usize::from(console::terminal_size().1);
    let mut out = String::new();
    if width > 110 {
        out.push_str(&format!("[{}>{}] ", "=".repeat(half), " ".repeat(50 - half)));
    }
    if detail["hidecounts"] != Value::Bool(true) {
        out.push_str(&match (units.is_empty(), current > total) {
            (true, false) => format!("{:>8}/{}", size(current), size(total)),
            (true, true) => format!("{:>8}", size(current)),
            (false, false) => format!("{current}/{total} {units}"),
            (false, true) => format!("{current} {units}"),
        });
    }
    let start = detail["start"].as_i64().unwrap_or(0);
    if width > 50 && current > 0 && start > 0 && half < 50 {
        let spent = jiff::Timestamp::now().as_nanosecond() - i128::from(start) * 1_000_000_000;
        let left = spent / i128::from(current) * i128::from(total - current);
        let seconds = i64::try_from(left / 1_000_000_000).unwrap_or(0);
        out.push(' ');
        out.push_str(&units::format_duration(seconds.saturating_mul(units::duration::SECOND)));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines() {
        let pulled = json!({"status": "Pull complete", "id": "a", "progressDetail": {}});
        assert_eq!(rendered(&pulled, false), "a: Pull complete\n");
        assert_eq!(rendered(&pulled, true), "\x1b[2K\ra: Pull complete \r");
        let moving = json!({"status": "Downloading", "id": "a", "progressDetail": {"current": 5, "total": 10}});
        assert_eq!(rendered(&moving, false), "");
        assert_eq!(rendered(&moving, true), "\x1b[2K\ra: Downloading       5B/10B\r");
        assert_eq!(rendered(&json!({"stream": "x\n"}), true), "x\n");
    }
}
