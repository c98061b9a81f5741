//! What is to be done to v1 controllers as values, and the executor.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use oci::runtime::DeviceRule;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::devices::Policy;
use crate::{Error, Result, file};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// One write into a controller's file.
    Write {
        /// Controller, which finds the directory.
        controller: &'static str,
        /// File in it.
        file: Cow<'static, str>,
        /// What is written.
        value: String,
        /// Whether a missing file is no error (an optional feature of the kernel).
        optional: bool,
    },
    /// CFS period and quota, whose order depends on the values in force.
    Bandwidth {
        /// Microseconds.
        period: Option<u64>,
        /// Microseconds, -1 unlimited.
        quota: Option<i64>,
    },
    /// Memory and memory+swap, whose order depends on the values in force.
    Memory {
        /// Bytes, -1 unlimited.
        limit: Option<i64>,
        /// Bytes, -1 unlimited.
        swap: Option<i64>,
    },
    /// The complete list of device rules.
    Devices(Vec<DeviceRule>),
}

impl Step {
    pub(crate) fn write(controller: &'static str, file: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        Self::Write { controller, file: file.into(), value: value.to_string(), optional: false }
    }

    fn controller(&self) -> &'static str {
        match self {
            Self::Write { controller, .. } => controller,
            Self::Bandwidth { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::Devices(_) => "devices",
        }
    }
}

/// Carries steps out in order, in the directories that `dir_of` names by controller.
pub(crate) fn execute(steps: &[Step], dir_of: &dyn Fn(&str) -> Option<PathBuf>) -> Result<()> {
    for step in steps {
        let controller = step.controller();
        let Some(dir) = dir_of(controller) else {
            return Err(Error::NoController { controller: controller.to_owned() });
        };
        match step {
            Step::Write { file: name, value, optional, .. } => match file::write(&dir.join(name.as_ref()), value) {
                Err(error) if *optional && file::is_missing(&error) => {}
                result => result?,
            },
            Step::Bandwidth { period, quota } => bandwidth(&dir, *period, *quota)?,
            Step::Memory { limit, swap } => memory(&dir, *limit, *swap)?,
            Step::Devices(rules) => devices(&dir, rules)?,
        }
    }
    Ok(())
}

/// The kernel refuses a period that makes the quota in force too large; then the quota has to go first.
fn bandwidth(dir: &Path, period: Option<u64>, quota: Option<i64>) -> Result<()> {
    let set_period = |value: u64| file::write(&dir.join("cpu.cfs_period_us"), &value.to_string());
    let mut pending = None;
    if let Some(period) = period {
        match set_period(period) {
            Err(Error::Io { errno: Errno::INVAL, .. }) if quota.is_some() => pending = Some(period),
            result => result?,
        }
    }
    if let Some(quota) = quota {
        file::write(&dir.join("cpu.cfs_quota_us"), &quota.to_string())?;
    }
    pending.map_or(Ok(()), set_period)
}

/// Keeps `limit <= memory+swap` true at every moment: what grows goes first.
fn memory(dir: &Path, limit: Option<i64>, swap: Option<i64>) -> Result<()> {
    let set_limit = || limit.map_or(Ok(()), |value| set_memory(dir, "memory.limit_in_bytes", value));
    let set_swap = || swap.map_or(Ok(()), |value| set_memory(dir, "memory.memsw.limit_in_bytes", value));
    if let (Some(_), Some(swap)) = (limit, swap) {
        let in_force = file::read_number(&dir.join("memory.limit_in_bytes"))?;
        if swap < 0 || u64::try_from(swap).is_ok_and(|swap| swap > in_force) {
            set_swap()?;
            return set_limit();
        }
    }
    set_limit()?;
    set_swap()
}

fn set_memory(dir: &Path, name: &str, value: i64) -> Result<()> {
    match file::write(&dir.join(name), &value.to_string()) {
        Err(Error::Io { errno: Errno::BUSY, .. }) => {
            let usage = file::read_number(&dir.join("memory.usage_in_bytes"))?;
            Err(Error::MemoryBusy { limit: value, usage })
        }
        result => result,
    }
}

/// Brings `devices.list` from what it is to what it shall be. Where both are allow lists only differences are
/// written, so that running processes keep their devices throughout.
fn devices(dir: &Path, rules: &[DeviceRule]) -> Result<()> {
    let wanted = Policy::from_rules(rules)?;
    let path = dir.join("devices.list");
    let present = Policy::parse_v1(&file::read(&path)?).ok_or(Error::Malformed { path })?;
    let mut open: Option<(bool, PathBuf, OwnedFd)> = None;
    for (allow, line) in present.v1_transition(&wanted) {
        let (_, path, fd) = match &mut open {
            Some(open) if open.0 == allow => open,
            open => {
                let path = dir.join(if allow { "devices.allow" } else { "devices.deny" });
                let fd = file::open_for_writing(&path)?;
                open.insert((allow, path, fd))
            }
        };
        file::write_to(fd, path, &line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("directory");
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).expect("file");
        }
        dir
    }

    #[test]
    fn missing_controller_and_optional_file() {
        let dir = fake(&[]);
        let step = Step::write("cpu", "cpu.shares", 5);
        assert_eq!(
            execute(std::slice::from_ref(&step), &|_| None),
            Err(Error::NoController { controller: "cpu".to_owned() })
        );
        assert!(execute(&[step], &|_| Some(dir.path().into())).is_err());
        let optional = Step::Write { controller: "cpu", file: "cpu.idle".into(), value: "1".into(), optional: true };
        assert_eq!(execute(&[optional], &|_| Some(dir.path().into())), Ok(()));
    }

    #[test]
    fn memory_is_written() {
        let dir = fake(&[("memory.limit_in_bytes", "100"), ("memory.memsw.limit_in_bytes", "100")]);
        let steps = [Step::Memory { limit: Some(50), swap: Some(60) }];
        execute(&steps, &|_| Some(dir.path().into())).expect("applies");
        // A plain file is not truncated by a write, which tells the order of digits only.
        assert_eq!(std::fs::read_to_string(dir.path().join("memory.limit_in_bytes")).expect("file"), "500");
        assert_eq!(std::fs::read_to_string(dir.path().join("memory.memsw.limit_in_bytes")).expect("file"), "600");
    }
}
