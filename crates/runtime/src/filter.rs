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
    /// Compiles a profile.
    ///
    /// # Errors
    /// The profile cannot be compiled.
    pub fn compile(profile: &Seccomp) -> Result<Self, StartError> {
        let program = seccomp::compile(profile, seccomp::Arch::native())
            .map_err(|error| Failure::plain(Step::Security, format!("seccomp: {error}")).of_preparation())?;
        Ok(Self { program: program.bytes, flags: program.flags })
    }
}
