//! The one way to put a file on disk so that it is there, whole, after a power loss: write under a temporary name
//! in the same directory, fsync(2), rename(2), fsync the directory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

/// Puts `bytes` at `path`, replacing what was there. The temporary name starts with a dot.
///
/// # Errors
/// The first failure; nothing is left behind then, and the old content stays.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // The time keeps apart what a crashed process of the same id has left.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let temp = dir.join(format!(".tmp-{}-{now:x}-{n}", std::process::id()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let written = rustix::fs::open(&temp, flags, Mode::from_raw_mode(mode)).map_err(io::Error::from).and_then(|fd| {
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temp, path)
    });
    if let Err(e) = written {
        let _ = std::fs::remove_file(&temp);
        return Err(e);
    }
    sync_dir(dir)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Those of open(2) and fsync(2).
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether an error means that disk or quota are full.
pub fn is_no_space(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
