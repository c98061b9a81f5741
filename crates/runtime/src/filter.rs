//! Compiled system call filters.

use std::collections::BTreeMap;

use oci::runtime::{Seccomp, State};
use shim_proto::{StartError, Step};
use sys::security::filter_flag;

use crate::failure::Failure;
use crate::listener::Listener;

/// A filter, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Classic BPF.
    pub(crate) program: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub(crate) flags: u32,
    /// Where its listener goes: when it asks for user notification.
    agent: Option<Agent>,
}

/// Who is asked about system calls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Agent {
    path: String,
    metadata: String,
    annotations: BTreeMap<String, String>,
}

impl Filter {
    /// Compiles a profile for the native architecture (and those that the profile names).
    ///
    /// # Errors
    /// The profile cannot be compiled, or asks for user notification without saying who is asked.
    pub fn compile(profile: &Seccomp) -> Result<Self, StartError> {
        let failed = |text: String| Failure::plain(Step::Security, text).of_preparation();
        let program = seccomp::compile(profile, seccomp::Arch::native())
            .map_err(|error| failed(format!("error adding seccomp filter rule: {error}")))?;
        let (mut flags, mut agent) = (program.flags, None);
        if program.notify {
            if profile.listener_path.is_empty() {
                return Err(failed("seccomp listenerPath is not set".to_owned()));
            }
            // Threads are of no concern here, and the kernel wants one or the other.
            flags = flags & !filter_flag::TSYNC | filter_flag::NEW_LISTENER;
            agent = Some(Agent {
                path: profile.listener_path.clone(),
                metadata: profile.listener_metadata.clone(),
                annotations: BTreeMap::new(),
            });
        } else {
            // Without a listener there is nobody to wait for.
            flags &= !filter_flag::WAIT_KILLABLE_RECV;
        }
        Ok(Self { program: program.bytes, flags, agent })
    }

    /// Keeps the container's annotations for who is asked about system calls of later processes.
    #[must_use]
    pub fn with_annotations(mut self, annotations: &BTreeMap<String, String>) -> Self {
        if let Some(agent) = &mut self.agent {
            agent.annotations = annotations.clone();
        }
        self
    }

    /// Whether somebody else is asked about system calls.
    pub(crate) fn asks(&self) -> bool {
        self.agent.is_some()
    }

    /// Who gets the listener, if there is to be one; the container's state is without annotations where only we have them.
    pub(crate) fn listener(&self, state: impl FnOnce() -> State) -> Option<Listener> {
        let agent = self.agent.as_ref()?;
        let mut state = state();
        if state.annotations.is_empty() {
            state.annotations = agent.annotations.clone();
        }
        Some(Listener { path: agent.path.clone(), metadata: agent.metadata.clone(), state })
    }
}
