//! What is left of a container whose shim is dead.

use std::io;
use std::path::{Path, PathBuf};

/// Kills what still runs in a dead shim's cgroup, then removes the cgroup and the run directory. Everything is tried; the
/// first error comes back. Missing things are fine, so it can be called again.
///
/// The mounts need no cleaning: they live in the container's mount namespace.
///
/// # Errors
/// Processes that do not die (EBUSY of the cgroup), or a file operation.
pub fn cleanup(run_dir: &Path, cgroup: &cgroup::Manager) -> Result<(), CleanupError> {
    let killed = cgroup.kill().and_then(|()| cgroup.delete());
    let removed = match std::fs::remove_dir_all(run_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    killed.map_err(CleanupError::Cgroup)?;
    removed.map_err(|source| CleanupError::RunDir { path: run_dir.to_owned(), source })
}

/// Why not everything could be removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The cgroup.
    #[error("failed to remove the cgroup: {0}")]
    Cgroup(#[source] cgroup::Error),
    /// The run directory.
    #[error("failed to remove {}: {source}", path.display())]
    RunDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
