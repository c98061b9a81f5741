//! The lock on a log's directory: held for the few renames of a rotation (exclusively) and while the files of a
//! log are looked up (shared), so that nobody sees a rotation half done.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};

const PAUSE: Duration = Duration::from_micros(500);
/// How long a writer waits for the lock; the holders need microseconds. A frozen holder must not stop a container's
/// output, so after that work goes on without the lock.
const WRITER_PATIENCE: Duration = Duration::from_millis(200);
/// How long a reader waits: it has more time, and without the lock it may miss files that are being renamed.
#[cfg(feature = "read")]
const READER_PATIENCE: Duration = Duration::from_secs(10);

/// Released when dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _dir: OwnedFd,
}

impl DirLock {
    pub(crate) fn exclusive(dir: &Path) -> io::Result<Self> {
        Self::take(dir, FlockOperation::NonBlockingLockExclusive, WRITER_PATIENCE)
    }

    #[cfg(feature = "read")]
    pub(crate) fn shared(dir: &Path) -> io::Result<Self> {
        Self::take(dir, FlockOperation::NonBlockingLockShared, READER_PATIENCE)
    }

    fn take(dir: &Path, operation: FlockOperation, patience: Duration) -> io::Result<Self> {
        let fd = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let begun = Instant::now();
        while begun.elapsed() < patience {
            match rustix::fs::flock(&fd, operation) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => std::thread::sleep(PAUSE),
                // A filesystem without flock: go on without.
                Err(_) => break,
            }
        }
        Ok(Self { _dir: fd })
    }
}

/// The directory that `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
