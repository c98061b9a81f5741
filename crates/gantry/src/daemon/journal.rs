//! The daemon's log on standard error, in the form of dockerd's: `time="…" level=info msg="…" key=value`, or JSON.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use anyhow::{Result, bail};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

impl Level {
    /// Docker's words.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "panic" | "fatal" | "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" | "" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => bail!("invalid logging level: {text}"),
        })
    }

    fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Format {
    /// Docker's words.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "text" | "" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => bail!("invalid log format: {text}"),
        }
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Says more or less from now on.
pub(super) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Takes the log into use. Does nothing the second time.
pub(super) fn start(level: Level, format: Format) {
    set_level(level);
    let journal = Journal { format, zone: jiff::tz::TimeZone::system(), spans: AtomicU64::new(1) };
    // The second time there is a log already.
    let _ = tracing::subscriber::set_global_default(journal);
}

struct Journal {
    format: Format,
    zone: jiff::tz::TimeZone,
    spans: AtomicU64,
}

impl Subscriber for Journal {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        if self.enabled(metadata) {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(*metadata.level());
        // Libraries tell too much below a warning.
        let foreign = ["hyper", "h2", "rustls", "mio", "tokio", "tower"]
            .iter()
            .any(|name| metadata.target().split("::").next().is_some_and(|t| t.starts_with(name)));
        metadata.is_event() && level as u8 <= LEVEL.load(Ordering::Relaxed) && (!foreign || level <= Level::Warn)
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = jiff::Timestamp::now().to_zoned(self.zone.clone());
        let time = now.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
        let time = time.strip_suffix("+00:00").map(|t| format!("{t}Z")).unwrap_or(time);
        let mut line = match self.format {
            Format::Text => fields.text(&time, Level::of(*event.metadata().level())),
            Format::Json => fields.json(time, Level::of(*event.metadata().level())),
        };
        line.push('\n');
        // There is nowhere to say that saying failed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, value.to_string());
    }
}

impl Fields {
    fn push(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.rest.push((field.name(), text));
        }
    }

    fn text(&self, time: &str, level: Level) -> String {
        let mut line = format!("time={} level={} msg={}", quoted(time), level.as_str(), quoted(&self.message));
        for (key, value) in &self.rest {
            // Writing to a String does not fail.
            let _ = write!(line, " {key}={}", quoted(value));
        }
        line
    }

    fn json(self, time: String, level: Level) -> String {
        let mut map = serde_json::Map::new();
        map.extend(self.rest.into_iter().map(|(k, v)| (k.to_owned(), v.into())));
        map.insert("level".to_owned(), level.as_str().into());
        map.insert("msg".to_owned(), self.message.into());
        map.insert("time".to_owned(), time.into());
        serde_json::Value::Object(map).to_string()
    }
}

/// In quotes if it has anything but the characters that logrus leaves alone.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/@^+".contains(&b);
    if text.bytes().all(plain) { text.to_owned() } else { units::gofmt::quote(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_dockers() {
        let fields = Fields {
            message: "API listen on /run/docker.sock".to_owned(),
            rest: vec![("error", "it \"broke\"\n".to_owned()), ("id", "abc".to_owned())],
        };
        let want = r#"time="2026-11-21T04:05:06.000000001Z" level=info msg="API listen on /run/docker.sock" error="it \"broke\"\n" id=abc"#;
        assert_eq!(fields.text("2026-11-21T04:05:06.000000001Z", Level::Info), want);
        let json = fields.json("t".to_owned(), Level::Warn);
        assert_eq!(
            json,
            r#"{"error":"it \"broke\"\n","id":"abc","level":"warning","msg":"API listen on /run/docker.sock","time":"t"}"#
        );
    }
}
