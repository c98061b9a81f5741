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
    let detail = &message["progressDetail"];
    let has_progress = detail["current"].is_i64() || detail["current"].is_u64();
    let moving =
        has_progress && (detail["current"].as_i64() != Some(0) || detail["total"].as_i64().is_some_and(|t| t > 0));
    let id = text(message, "id");
    let mut up = 0;
    let mut out = String::new();
    if !id.is_empty() && (message.get("progressDetail").is_some() || !text(message, "progress").is_empty()) {
        let next = rows.len();
        let known = rows.get(id).copied();
        let row = *rows.entry(id.to_owned()).or_insert(next);
        if terminal {
            if known.is_none() {
                out.push('\n');
            }
            up = rows.len() - row;
            out.push_str(&format!("\x1b[{up}A"));
        }
    } else {
        rows.clear();
    }
    out.push_str(&rendered(message, terminal, moving));
    if up > 0 {
        out.push_str(&format!("\x1b[{up}B"));
    }
    target.write(&out)
}

fn rendered(message: &Value, terminal: bool, moving: bool) -> String {
    let detail = &message["progressDetail"];
    let mut out = String::new();
    let ending = if terminal && text(message, "stream").is_empty() && moving {
        out.push_str("\x1b[2K\r");
        "\r"
    } else if moving {
        // A file is no place for a bar.
        return out;
    } else {
        ""
    };
    let id = text(message, "id");
    if !id.is_empty() {
        out.push_str(&format!("{id}: "));
    }
    let from = text(message, "from");
    if !from.is_empty() {
        out.push_str(&format!("(from {from}) "));
    }
    let status = text(message, "status");
    if moving && terminal {
        out.push_str(&format!("{status} {}{ending}", bar(detail)));
    } else if !text(message, "stream").is_empty() {
        out.push_str(&format!("{}{ending}", text(message, "stream")));
    } else {
        if terminal && !id.is_empty() && message.get("progressDetail").is_some() {
            out.insert_str(0, "\x1b[2K\r");
            out.push_str(&format!("{status}{ending}\r"));
            return out;
        }
        out.push_str(&format!("{status}{ending}\n"));
    }
    out
}

fn bar(detail: &Value) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let number = |key: &str| detail[key].as_i64().unwrap_or(0) as f64;
    let (current, total) = (number("current"), number("total"));
    if current <= 0.0 && total <= 0.0 {
        return String::new();
    }
    let counts = detail["hidecounts"] == Value::Bool(true);
    let units = text(detail, "units");
    if total <= 0.0 {
        return if units.is_empty() { format!("{:>8}", human_size(current)) } else { format!("{current} {units}") };
    }
    let width = usize::from(console::terminal_size().1);
    let mut out = String::new();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 50")]
    let filled = ((current / total * 50.0).clamp(0.0, 50.0)) as usize;
    if width == 0 || width > 110 {
        out.push_str(&format!("[{}>{}] ", "=".repeat(filled), " ".repeat(50 - filled)));
    }
    if !counts {
        if units.is_empty() {
            out.push_str(&format!("{:>8}/{}", human_size(current), human_size(total)));
        } else {
            out.push_str(&format!("{current}/{total} {units}"));
        }
    }
    out
}
