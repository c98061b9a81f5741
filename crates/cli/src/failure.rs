//! How a command ends badly: what is printed, and the exit code.

use std::io;

use crate::table::Command;

/// A text for stderr (possibly none) and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    pub(crate) code: u8,
}

/// Results of commands.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Exit code 1 with a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// An exit code alone.
    pub(crate) fn exit(code: i64) -> Self {
        Self { text: String::new(), code: u8::try_from(code & 0xff).unwrap_or(1) }
    }

    /// Another code.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// A mistake in a flag: the text, the usage line, and where to read more.
    pub(crate) fn usage(command: &Command, text: &str) -> Self {
        let path = command.full_path();
        let text = format!("{text}\n\nUsage:  {}\n\nRun '{path} --help' for more information", command.use_line());
        Self { text, code: 125 }
    }

    /// Puts words before the text.
    pub(crate) fn context(mut self, prefix: &str) -> Self {
        self.text = format!("{prefix}: {}", self.text);
        self
    }
}

impl From<client::Error> for Failure {
    fn from(e: client::Error) -> Self {
        match &e {
            client::Error::Io(source) | client::Error::Connect { source } => {
                Self::new(format!("error during connect: {}", go_io(source)))
            }
            _ => Self::new(e.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::new(go_io(&e))
    }
}

/// Go's words of an I/O error, without the operation and path.
pub(crate) fn go_io(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(code) => {
            // Rust appends the number; Go prints strerror's text in lower case.
            let text = e.to_string();
            let text = text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text);
            let mut chars = text.chars();
            match chars.next() {
                Some(first) if !text.starts_with("RFS") => first.to_lowercase().chain(chars).collect(),
                _ => text.to_owned(),
            }
        }
        None => e.to_string(),
    }
}

/// Go's `PathError`: `open x: no such file or directory`.
pub(crate) fn path_error(op: &str, path: impl AsRef<std::path::Path>, e: &io::Error) -> Failure {
    Failure::new(format!("{op} {}: {}", path.as_ref().display(), go_io(e)))
}

macro_rules! from_display {
    ($($type:ty),* $(,)?) => {
        $(impl From<$type> for Failure {
            fn from(e: $type) -> Self {
                Self::new(e.to_string())
            }
        })*
    };
}

from_display!(
    units::duration::DurationError,
    units::env::PairError,
    units::filter::FilterError,
    units::limit::LimitError,
    units::mount::MountError,
    units::num::NumError,
    units::port::PortError,
    units::restart::RestartError,
    units::size::SizeError,
    units::timestamp::TimestampError,
    units::volume::VolumeError,
);
