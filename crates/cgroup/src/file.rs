//! One-shot reads and writes of kernel files.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, Result};

/// More than any cgroup file holds (memory.stat is 4 KiB, cgroup.procs of 100,000 processes is 700 KiB).
const MAX: usize = 16 << 20;

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| Error::Io {
        operation: "open",
        path: path.into(),
        errno,
    })
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<String> {
    let fd = open(path, OFlags::RDONLY)?;
    let mut content = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) => break,
            Ok(count) => content.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::Io { operation: "read", path: path.into(), errno }),
        }
        if content.len() > MAX {
            return Err(Error::Malformed { path: path.into() });
        }
    }
    String::from_utf8(content).map_err(|_| Error::Malformed { path: path.into() })
}

/// Reads a whole file; `None` when it is not there.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads one number; `max` is [`u64::MAX`].
pub(crate) fn read_number(path: &Path) -> Result<u64> {
    parse_number(&read(path)?).ok_or_else(|| Error::Malformed { path: path.into() })
}

/// Parses one number; `max` is [`u64::MAX`].
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        // v1 answers some questions about usage with a negative number.
        negative if negative.starts_with('-') => negative.parse::<i64>().ok().map(|_| 0),
        number => number.parse().ok(),
    }
}

/// Opens a file for [`rustix::io::write`].
pub(crate) fn open_for_writing(path: &Path) -> Result<OwnedFd> {
    open(path, OFlags::WRONLY)
}

/// Writes a file with one write(2), which is how cgroup files want it.
pub(crate) fn write(path: &Path, value: &str) -> Result<()> {
    write_to(&open(path, OFlags::WRONLY)?, path, value)
}

/// As [`write()`], into a file that is open; `path` is for the error.
pub(crate) fn write_to(fd: &OwnedFd, path: &Path, value: &str) -> Result<()> {
    loop {
        match rustix::io::write(fd, value.as_bytes()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::Io { operation: "write", path: path.into(), errno }),
        }
    }
}

/// Makes cgroups that everybody may look into, whatever the caller's umask.
#[derive(Debug, Default)]
pub(crate) struct Maker {
    /// Whether the umask takes nothing away, as far as that is known.
    is_open: Option<bool>,
}

impl Maker {
    /// Makes one. One that exists is taken as it is.
    pub(crate) fn make(&mut self, dir: &Path) -> Result<()> {
        let failed = |operation| move |errno| Error::Io { operation, path: dir.into(), errno };
        let mode = Mode::from(0o755);
        match rustix::fs::mkdir(dir, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(failed("mkdir")(errno)),
        }
        let is_open = match self.is_open {
            Some(is_open) => is_open,
            None => {
                let found = rustix::fs::stat(dir).map_err(failed("stat"))?;
                *self.is_open.insert(Mode::from_raw_mode(found.st_mode) & Mode::from(0o777) == mode)
            }
        };
        if is_open { Ok(()) } else { rustix::fs::chmod(dir, mode).map_err(failed("chmod")) }
    }
}

/// Whether the error says that the file or the cgroup is not there (any more).
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::NOENT | Errno::NODEV))
}
