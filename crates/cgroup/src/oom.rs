//! Out-of-memory notices and counts.

use std::path::Path;

use rustix::event::EventfdFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, Result, file};

/// Kills counted in `memory.events` (v2) or `memory.oom_control` (v1, kernel 4.13 on).
pub(crate) fn count(dir: &Path, v2: bool) -> Result<u64> {
    let path = dir.join(if v2 { "memory.events" } else { "memory.oom_control" });
    Ok(parse_kills(&file::read(&path)?))
}

fn parse_kills(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Becomes readable when a cgroup meets its memory limit for good; [`Self::drain`] makes it quiet again.
/// Being told is no proof of a kill: compare [`crate::Manager::oom_count`].
#[derive(Debug)]
pub struct OomWatch {
    fd: OwnedFd,
}

impl OomWatch {
    pub(crate) fn new(dir: &Path, v2: bool) -> Result<Self> {
        if v2 { Self::inotify(dir) } else { Self::eventfd(dir) }
    }

    /// v2: a change of memory.events is a modification to inotify(7).
    fn inotify(dir: &Path) -> Result<Self> {
        let path = dir.join("memory.events");
        let failed = |operation| move |errno| Error::Io { operation, path: dir.join("memory.events"), errno };
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed("inotify_init1"))?;
        inotify::add_watch(&fd, &path, WatchFlags::MODIFY).map_err(failed("inotify_add_watch"))?;
        Ok(Self { fd })
    }

    /// v1: an eventfd registered in cgroup.event_control.
    fn eventfd(dir: &Path) -> Result<Self> {
        let path = dir.join("memory.oom_control");
        let failed = |operation| move |errno| Error::Io { operation, path: dir.join("memory.oom_control"), errno };
        let fd =
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed("eventfd"))?;
        let control =
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed("open"))?;
        let line = format!("{} {}", fd.as_raw_fd(), control.as_raw_fd());
        file::write(&dir.join("cgroup.event_control"), &line)?;
        Ok(Self { fd })
    }

    /// Reads pending notices away.
    ///
    /// # Errors
    /// errno of read(2); nothing pending is no error.
    pub fn drain(&self) -> std::result::Result<(), Errno> {
        let mut buffer = [0_u8; 4096];
        loop {
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills() {
        assert_eq!(parse_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(parse_kills("low 0\noom 5\noom_kill 2\noom_group_kill 1\n"), 2);
        assert_eq!(parse_kills("under_oom 0\n"), 0);
    }
}
