//! Walks over a cgroup and those below it: processes, removal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::{Error, Result, file};

/// Deeper trees than this are not ours.
const MAX_DEPTH: usize = 64;
/// Pauses between tries to remove a busy cgroup: 2 s in all, the first short because dying takes microseconds.
const PAUSES_MS: [u64; 12] = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000];

fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::Io {
        operation: "readdir",
        path: dir.into(),
        errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => found.push(entry.path()),
            Ok(_) => {}
            // ENODEV: the cgroup went away while it was read.
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// All process ids in `dir` and below, ascending, each once.
pub(crate) fn procs(dir: &Path) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    collect(dir, 0, &mut found)?;
    found.sort_unstable_by_key(|pid: &Pid| pid.as_raw_nonzero());
    found.dedup();
    Ok(found)
}

fn collect(dir: &Path, depth: usize, found: &mut Vec<Pid>) -> Result<()> {
    match file::read(&dir.join("cgroup.procs")) {
        Ok(text) => found.extend(text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw))),
        Err(error) if file::is_missing(&error) => return Ok(()),
        // A threaded cgroup of v2 lists its processes in its domain only.
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    if depth < MAX_DEPTH {
        for child in children(dir)? {
            collect(&child, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Removes a cgroup and those below it.
pub(crate) fn tree(dir: &Path) -> Result<()> {
    let mut pauses = PAUSES_MS.iter();
    loop {
        match try_tree(dir, 0) {
            Err(error) if error.errno() == Some(Errno::BUSY) => match pauses.next() {
                Some(pause) => std::thread::sleep(Duration::from_millis(*pause)),
                None => return Err(error),
            },
            result => return result,
        }
    }
}

fn try_tree(dir: &Path, depth: usize) -> Result<()> {
    // Mostly there is nothing below: one system call.
    let errno = match rustix::fs::rmdir(dir) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => errno,
    };
    let failed = |errno| Err(Error::Io { operation: "rmdir", path: dir.into(), errno });
    if !matches!(errno, Errno::BUSY | Errno::NOTEMPTY) || depth >= MAX_DEPTH {
        return failed(errno);
    }
    for child in children(dir)? {
        try_tree(&child, depth + 1)?;
    }
    match rustix::fs::rmdir(dir) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => failed(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path().join("c");
        std::fs::create_dir_all(root.join("a/b")).expect("directories");
        assert_eq!(tree(&root), Ok(()));
        assert!(!root.exists());
        assert_eq!(tree(&root), Ok(()));
        assert_eq!(procs(&root), Ok(Vec::new()));
    }
}
