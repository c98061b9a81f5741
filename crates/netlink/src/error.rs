use std::io;

/// Why a netlink exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused one operation of a batch.
    #[error("{operation}{}: {}{}", padded(.subject), errno_text(*.errno), bracketed(.message))]
    Refused {
        /// What was asked: `add link`, `add address`, …
        operation: &'static str,
        /// Whom it was about (interface, table, address), or empty.
        subject: String,
        /// The kernel's errno.
        errno: i32,
        /// The kernel's explanation (extended acknowledgement), or empty.
        message: String,
    },
    /// The socket itself failed.
    #[error("netlink {call}: {source}")]
    Socket {
        /// The system call.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel's answer makes no sense.
    #[error("malformed netlink message: {0}")]
    Malformed(&'static str),
}

fn padded(s: &str) -> String {
    if s.is_empty() { String::new() } else { format!(" {s}") }
}

fn bracketed(s: &str) -> String {
    if s.is_empty() { String::new() } else { format!(" ({s})") }
}

fn errno_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl Error {
    /// The errno, if the kernel or a system call gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Socket { source, .. } => source.raw_os_error(),
            Self::Malformed(_) => None,
        }
    }

    /// Whether the object of the operation is missing (`ENOENT`, `ENODEV`, `ESRCH`, `EADDRNOTAVAIL`).
    pub fn is_missing(&self) -> bool {
        matches!(self.errno(), Some(2 | 19 | 3 | 99))
    }

    /// Whether the object of the operation is there already (`EEXIST`).
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(17)
    }
}
