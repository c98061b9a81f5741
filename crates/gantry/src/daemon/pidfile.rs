//! The file that keeps a second daemon from starting and tells others which process it is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The file; removed when dropped.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, unless it names a process that lives.
    pub(super) fn write(path: &Path) -> Result<Self> {
        let advice = || format!("failed to start daemon, ensure docker is not running or delete {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).context("failed to create pidfile directory")?;
        }
        if let Ok(text) = fs::read_to_string(path)
            && let Ok(pid) = text.trim().parse::<u32>()
            && pid != std::process::id()
            && alive(pid)
        {
            return Err(anyhow::anyhow!("process with PID {pid} is still running")).with_context(advice);
        }
        write(path).with_context(advice)?;
        Ok(Self(path.to_owned()))
    }
}

/// Written beside and renamed, so that nobody reads half a number.
fn write(path: &Path) -> Result<()> {
    let Some(name) = path.file_name() else { bail!("not a file name: {}", path.display()) };
    let mut beside = name.to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    File::create(&beside)?.write_all(std::process::id().to_string().as_bytes())?;
    Ok(fs::rename(&beside, path)?)
}

/// A zombie has ended.
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest).trim_start().chars().next();
    !matches!(state, None | Some('Z' | 'X'))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.0) {
            tracing::error!("{e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_taken_over_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("run/docker.pid");
        drop(PidFile::write(&path).expect("writes"));
        assert!(!path.exists());
        fs::write(&path, "4194305").expect("writes");
        let held = PidFile::write(&path).expect("stale");
        assert_eq!(fs::read_to_string(&path).expect("reads"), std::process::id().to_string());
        drop(held);
        fs::write(&path, "1").expect("writes");
        let e = format!("{:#}", PidFile::write(&path).expect_err("init lives"));
        assert!(e.ends_with("process with PID 1 is still running"), "{e}");
        assert!(e.starts_with("failed to start daemon, ensure docker is not running or delete "), "{e}");
    }
}
