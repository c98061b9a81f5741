//! How processes are made by a runtime that goes away after it.

use std::os::fd::{BorrowedFd, RawFd};
use std::path::Path;

/// What is different for a runtime that does not stay with its containers (runc's command line). The default is a shim:
/// what it starts dies with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Bundle directory that hooks are told of.
    pub bundle: Option<&'a Path>,
    /// Whether the process waits when all is ready.
    pub hold: Hold<'a>,
    /// The process lives on when its maker ends. Its OOM score is its maker's unless the spec says otherwise.
    pub outlives: bool,
    /// How many descriptors from 3 on the program gets.
    pub preserve_fds: u32,
    /// The root is moved and changed to rather than pivoted to (for roots on a ramdisk).
    pub no_pivot: bool,
    /// The process stays in its maker's session keyring.
    pub no_new_keyring: bool,
}

/// What a process waits for before it becomes the user's program. With any but `No` it counts as started when it waits.
#[derive(Debug, Clone, Copy, Default)]
pub enum Hold<'a> {
    /// Nothing.
    #[default]
    No,
    /// A byte from a FIFO that is open for reading: somebody else starts it, some time, when its maker is gone.
    Fifo(BorrowedFd<'a>),
    /// Its maker's word ([`crate::Held`]).
    Word,
}

impl<'a> Hold<'a> {
    /// The FIFO.
    pub(crate) fn fifo(self) -> Option<BorrowedFd<'a>> {
        match self {
            Self::Fifo(fd) => Some(fd),
            Self::No | Self::Word => None,
        }
    }
}

impl Manner<'_> {
    /// The first descriptor that the program does not get.
    pub(crate) fn first_closed(&self) -> RawFd {
        3 + RawFd::try_from(self.preserve_fds).unwrap_or(0)
    }

    /// Descriptors that the program gets besides its standard streams.
    pub(crate) fn preserved(&self) -> impl Iterator<Item = RawFd> + use<> {
        3..self.first_closed()
    }
}
