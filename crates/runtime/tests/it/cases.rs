//! The cases, by what they are about.

mod hooks;
mod mounts;
mod process;
mod seccomp;

use crate::fixture::Fixture;

/// One case.
pub(crate) type Case = fn(&Fixture);

/// All of them.
pub(crate) fn all() -> Vec<(&'static str, Case)> {
    [hooks::CASES, mounts::CASES, process::CASES, seccomp::CASES].concat()
}
