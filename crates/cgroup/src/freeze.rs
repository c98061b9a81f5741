//! The freezers of v1 and v2.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Error, Result, file};

/// Longest wait for processes to stand still.
const LIMIT: Duration = Duration::from_secs(10);

/// A freezer by its cgroup directory.
#[derive(Debug)]
pub(crate) enum Freezer {
    /// `freezer.state` (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
    V1(PathBuf),
    /// `cgroup.freeze` (Documentation/admin-guide/cgroup-v2.rst).
    V2(PathBuf),
}

impl Freezer {
    pub(crate) fn freeze(&self) -> Result<()> {
        let result = match self {
            Self::V1(dir) => freeze_v1(dir),
            Self::V2(dir) => file::write(&dir.join("cgroup.freeze"), "1")
                .and_then(|()| wait(dir, true, || Ok(frozen_v2(dir)? == Some(true)))),
        };
        if result.is_err() {
            // Half frozen is worse than not frozen; what stopped us is what is reported.
            let _ = self.thaw();
        }
        result
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        match self {
            Self::V1(dir) => {
                let state = dir.join("freezer.state");
                file::write(&state, "THAWED")?;
                wait(dir, false, || Ok(file::read(&state)?.trim_end() == "THAWED"))
            }
            Self::V2(dir) => {
                file::write(&dir.join("cgroup.freeze"), "0")?;
                wait(dir, false, || Ok(frozen_v2(dir)? != Some(true)))
            }
        }
    }

    pub(crate) fn is_frozen(&self) -> Result<bool> {
        match self {
            // FREEZING is the state between; whoever asks, asked for freezing.
            Self::V1(dir) => Ok(file::read(&dir.join("freezer.state"))?.trim_end() != "THAWED"),
            Self::V2(dir) => Ok(file::read(&dir.join("cgroup.freeze"))?.trim_end() == "1"),
        }
    }
}

/// A v1 cgroup can hang in FREEZING when a task forks or is in vfork at the moment; thawing for a moment and
/// freezing again is the cure that the kernel's documentation gives.
fn freeze_v1(dir: &Path) -> Result<()> {
    let state = dir.join("freezer.state");
    let start = Instant::now();
    let mut turn = 0_u32;
    loop {
        file::write(&state, "FROZEN")?;
        for pause in [0, 10, 50, 100, 500] {
            if file::read(&state)?.trim_end() == "FROZEN" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_micros(pause));
        }
        if start.elapsed() > LIMIT {
            return Err(Error::FreezeTimeout { freeze: true, path: dir.into() });
        }
        turn += 1;
        if turn.is_multiple_of(25) {
            file::write(&state, "THAWED")?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The `frozen` line of cgroup.events; a root has none.
fn frozen_v2(dir: &Path) -> Result<Option<bool>> {
    let events = file::read(&dir.join("cgroup.events"))?;
    Ok(events.lines().find_map(|line| line.strip_prefix("frozen ")).map(|value| value.trim() == "1"))
}

fn wait(dir: &Path, freeze: bool, done: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(20);
    while !done()? {
        if start.elapsed() > LIMIT {
            return Err(Error::FreezeTimeout { freeze, path: dir.into() });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    Ok(())
}
