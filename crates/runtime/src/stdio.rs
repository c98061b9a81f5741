//! Standard streams of a process about to start.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use shim_proto::Size;

/// What the process gets as its standard streams.
#[derive(Debug)]
pub enum Stdio {
    /// Three descriptors.
    Streams {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// A pseudo terminal, made inside the container.
    Terminal {
        /// First size.
        size: Option<Size>,
    },
}

impl Stdio {
    /// Its descriptors.
    pub(crate) fn fds(&self) -> impl Iterator<Item = RawFd> + use<> {
        match self {
            Self::Streams { stdin, stdout, stderr } => vec![stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()],
            Self::Terminal { .. } => Vec::new(),
        }
        .into_iter()
    }
}
