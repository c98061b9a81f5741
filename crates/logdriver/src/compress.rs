use std::path::Path;

use crate::LogError;

/// Compresses the rotated files of the log `path` that are not yet (`<path>.N` → `<path>.N.gz`), safely beside a
/// running writer and readers. Returns how many. Meant for a background thread or a forked child.
pub fn compress_rotated(path: &Path) -> Result<u32, LogError> {
    let _ = path;
    Ok(0)
}
