//! Where errors go: standard error, or the file of `--log`, as text or JSON with the keys that engines read.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::error::{Error, io};

/// The log of one call.
#[derive(Debug, Default)]
pub(crate) struct Report {
    file: Option<File>,
    json: bool,
}

impl Report {
    /// Opens the log. Without a file it is standard error.
    pub(crate) fn open(file: Option<&str>, format: &str) -> Result<Self, Error> {
        let json = match format {
            "text" => false,
            "json" => true,
            other => return Err(Error::LogFormat { format: other.to_owned() }),
        };
        let open = |path: &str| {
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).mode(0o644).open(path);
            file.map_err(io("open", path))
        };
        let file = file.filter(|path| !path.is_empty()).map(open).transpose()?;
        Ok(Self { file, json })
    }

    /// Says why the command failed and gives the status it ends with.
    pub(crate) fn fatal(&self, error: &Error, status: i32) -> i32 {
        self.line("error", &error.to_string());
        if self.file.is_some() {
            let _ = writeln!(std::io::stderr(), "{error}");
        }
        status
    }

    /// Says something that does not end the command.
    pub(crate) fn line(&self, level: &str, message: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = logdriver::format_rfc3339_nano(i64::try_from(now).unwrap_or(0).saturating_mul(1_000_000_000));
        let line = if self.json {
            format!("{}\n", json!({"level": level, "msg": message, "time": time}))
        } else {
            format!("time={} level={level} msg={}\n", quoted(&time), quoted(message))
        };
        let _ = match &self.file {
            Some(file) => (&mut &*file).write_all(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// A value of logfmt, always in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_engines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.json");
        let report = Report::open(path.to_str(), "json").unwrap();
        assert_eq!(report.fatal(&Error::NotExist, 1), 1);
        let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((line["level"].as_str(), line["msg"].as_str()), (Some("error"), Some("container does not exist")));
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')));
        assert!(Report::open(None, "xml").is_err());
    }

    #[test]
    fn quotes() {
        assert_eq!(quoted("exec: \"x\"\n"), "\"exec: \\\"x\\\"\\n\"");
    }
}
