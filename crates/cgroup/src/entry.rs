//! The way in for a process that moves itself.

use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::{Error, Result};

/// The v1 cgroups of one container, open for a process to enter them by itself.
///
/// The kernel makes whoever moves another process wait for all processes to be past a point where they could fork (an RCU
/// grace period: 5 to 20 ms). A thread that moves itself it takes at once.
#[derive(Debug)]
pub struct Entry {
    doors: Vec<(PathBuf, OwnedFd)>,
}

impl Entry {
    pub(crate) fn open(files: impl Iterator<Item = PathBuf>) -> Result<Self> {
        let doors = files.map(|path| Ok((path.clone(), crate::file::open_for_writing(&path)?)));
        Ok(Self { doors: doors.collect::<Result<_>>()? })
    }

    /// Moves the calling thread in, which must be the only one of its process.
    ///
    /// # Errors
    /// [`Error::Io`] with the file that was written.
    pub fn enter(&self) -> Result<()> {
        self.doors.iter().try_for_each(|(path, door)| {
            loop {
                match rustix::io::write(door, b"0") {
                    Ok(_) => return Ok(()),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(Error::Io { operation: "write", path: path.clone(), errno }),
                }
            }
        })
    }
}
