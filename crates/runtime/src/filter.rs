//! Compiled system call filters.

use oci::runtime::Seccomp;
use shim_proto::{StartError, Step};

use crate::failure::Failure;

/// A filter, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Classic BPF.
    pub(crate) program: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub(crate) flags: u32,
}

impl Filter {
    /// Compiles a profile for the native architecture (and those that the profile names).
    ///
    /// # Errors
    /// The profile cannot be compiled, or asks for user notification, which has no listener here.
    pub fn compile(profile: &Seccomp) -> Result<Self, StartError> {
        let failed = |text: String| Failure::plain(Step::Security, text).of_preparation();
        let program = seccomp::compile(profile, seccomp::Arch::native())
            .map_err(|error| failed(format!("error adding seccomp filter rule: {error}")))?;
        if program.notify {
            return Err(failed("seccomp user notification is not supported".to_owned()));
        }
        Ok(Self { program: program.bytes, flags: program.flags })
    }
}
