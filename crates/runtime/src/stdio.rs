//! Standard streams of a process about to start.

use std::os::fd::OwnedFd;

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
