//! System call filters: from rules as the OCI runtime spec writes them to classic BPF, and Docker's default profile.
//!
//! libseccomp walks its rules one after the other; here the system calls of each architecture become intervals of equal
//! treatment, found by a balanced tree of comparisons: a short filter, and few steps whatever the call
//! (seccomp(2); the kernel also evaluates the filter once per call number when it is loaded).

mod assemble;
mod compile;
mod json;
mod multiplexed;
mod numbers;
mod profile;

pub use compile::{CompileError, Program, compile};
pub use json::{ProfileError, from_json};
pub use numbers::{Arch, number};
pub use profile::{KernelVersion, docker_default};

#[cfg(test)]
mod tests;
