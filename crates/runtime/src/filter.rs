//! Compiled system call filters.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use oci::runtime::{Seccomp, State};
use shim_proto::{StartError, Step};
use sys::security::filter_flag;

use crate::failure::{Failure, Result};
use crate::listener::Listener;

/// Bytes before the program in what [`Filter::send`] sends.
const HEAD: usize = 5;

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    pub fn compile(profile: &Seccomp) -> std::result::Result<Self, StartError> {
        Self::compiled(profile).map_err(Failure::of_preparation)
    }

    pub(crate) fn compiled(profile: &Seccomp) -> Result<Self> {
        let failed = |text: String| Failure::plain(Step::Security, text);
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

    /// Gives what is loaded to a starting process.
    pub(crate) fn send(&self, to: OwnedFd) -> std::io::Result<()> {
        let mut bytes = Vec::with_capacity(HEAD + self.program.len());
        bytes.push(u8::from(self.asks()));
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(&self.program);
        File::from(to).write_all(&bytes)
    }

    /// Takes what [`Self::send`] has given. `None`: the sender is gone.
    pub(crate) fn receive(from: OwnedFd) -> Option<Self> {
        let mut bytes = Vec::with_capacity(4096);
        File::from(from).read_to_end(&mut bytes).ok()?;
        let (asks, rest) = bytes.split_first()?;
        let (flags, program) = rest.split_first_chunk()?;
        let agent = (*asks != 0).then(Agent::default);
        Some(Self { program: program.to_vec(), flags: u32::from_ne_bytes(*flags), agent })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrives_as_it_was_sent() {
        for agent in [None, Some(Agent::default())] {
            let filter = Filter { program: (0..=255).cycle().take(8000).collect(), flags: 0x1234_5678, agent };
            let (theirs, ours) = rustix::pipe::pipe().unwrap();
            filter.send(ours).unwrap();
            assert_eq!(Filter::receive(theirs), Some(filter));
        }
        let (theirs, ours) = rustix::pipe::pipe().unwrap();
        drop(ours);
        assert_eq!(Filter::receive(theirs), None);
    }
}
