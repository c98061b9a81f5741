//! Failures of starting a process, in runc's words where Docker shows them.

use rustix::io::Errno;
use shim_proto::{StartError, Step};

/// A failure on the way to the user's process, without the frame that says whose failure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// `<text>: <errno's words>`.
    pub(crate) fn new(step: Step, text: impl Into<String>, errno: Errno) -> Self {
        let text = format!("{}: {}", text.into(), words(errno));
        Self { step, errno: errno.raw_os_error(), path: String::new(), text }
    }

    /// A failure that is no system call's.
    pub(crate) fn plain(step: Step, text: impl Into<String>) -> Self {
        Self { step, errno: 0, path: String::new(), text: text.into() }
    }

    /// Says what it was done to.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The failure of a container's first process.
    pub(crate) fn of_container(self) -> StartError {
        const FRAME: &str = "OCI runtime create failed: runc create failed: unable to start container process: error during container init: ";
        self.framed(FRAME)
    }

    /// The failure of a container before there was a process.
    pub(crate) fn of_preparation(self) -> StartError {
        const FRAME: &str = "OCI runtime create failed: runc create failed: unable to start container process: ";
        self.framed(FRAME)
    }

    /// A spec that is refused.
    pub(crate) fn of_spec(self) -> StartError {
        const FRAME: &str = "OCI runtime create failed: runc create failed: ";
        self.framed(FRAME)
    }

    /// The failure of an exec session.
    pub(crate) fn of_exec(self) -> StartError {
        const FRAME: &str = "OCI runtime exec failed: exec failed: unable to start container process: ";
        self.framed(FRAME)
    }

    fn framed(self, frame: &str) -> StartError {
        StartError { step: self.step, errno: self.errno, path: self.path, message: format!("{frame}{}", self.text) }
    }
}

/// Adds step and words to an errno.
pub(crate) trait Context<T> {
    /// See [`Failure::new`].
    fn context(self, step: Step, text: impl Into<String>) -> Result<T>;
    /// As [`Self::context`], the text made only when needed.
    fn with_context<S: Into<String>>(self, step: Step, text: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, Errno> {
    fn context(self, step: Step, text: impl Into<String>) -> Result<T> {
        self.map_err(|errno| Failure::new(step, text, errno))
    }

    fn with_context<S: Into<String>>(self, step: Step, text: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|errno| Failure::new(step, text(), errno))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, step: Step, text: impl Into<String>) -> Result<T> {
        self.map_err(|error| Failure::new(step, text, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }

    fn with_context<S: Into<String>>(self, step: Step, text: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Failure::new(step, text(), Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }
}

/// An errno as Go prints it: strerror(3), but beginning with a small letter.
#[must_use]
pub fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        // RFS, NFS and the like stay.
        Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase() || c == ' ' || c == '/') => {
            first.to_lowercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    }
}

/// A string as Go's `%q` prints it, near enough for paths.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
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
    fn go_words() {
        assert_eq!(words(Errno::NOENT), "no such file or directory");
        assert_eq!(words(Errno::ACCESS), "permission denied");
        assert_eq!(words(Errno::NOEXEC), "exec format error");
        assert_eq!(words(Errno::IO), "input/output error");
    }

    #[test]
    fn go_quotes() {
        assert_eq!(quoted("a\"b\n\u{1}"), "\"a\\\"b\\n\\x01\"");
    }

    #[test]
    fn frames() {
        let failure = Failure::plain(Step::Program, "exec: \"x\": executable file not found in $PATH");
        assert_eq!(
            failure.of_exec().message,
            "OCI runtime exec failed: exec failed: unable to start container process: \
             exec: \"x\": executable file not found in $PATH"
        );
    }
}
