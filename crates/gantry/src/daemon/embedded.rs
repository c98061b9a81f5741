//! Files that are shipped inside this program.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The monitor and runtime, `gantry-shim`.
const SHIM: &[u8] = include_bytes!(env!("GANTRY_SHIM_PATH"));
/// Tells versions of it apart.
pub(super) const SHIM_HASH: &str = env!("GANTRY_SHIM_HASH");

/// Puts `gantry-shim` where it can be started from, unless it is there. Containers started by an older daemon go on
/// with the older file, which stays.
pub(super) fn lay_down_shim(exec_root: &Path) -> Result<PathBuf> {
    let path = exec_root.join(format!("gantry-shim-{SHIM_HASH}"));
    if is_ours(&path) {
        return Ok(path);
    }
    let beside = exec_root.join(format!(".gantry-shim-{}", std::process::id()));
    write(&beside)
        .and_then(|()| fs::rename(&beside, &path))
        .with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

fn is_ours(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    meta.is_file() && meta.permissions().mode() & 0o777 == 0o700 && fs::read(path).is_ok_and(|bytes| bytes == SHIM)
}

fn write(path: &Path) -> std::io::Result<()> {
    // One that a crash left.
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(SHIM)?;
    file.set_permissions(fs::Permissions::from_mode(0o700))
}

/// The image for a first container without a network: its name, and its archive.
pub(super) fn hello_image() -> Option<(&'static str, &'static [u8])> {
    Some(("gantry/hello:latest", include_bytes!(env!("GANTRY_HELLO_PATH"))))
}
