use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::CWD;

/// Where trees go at once, to be deleted by a thread that lives only while there is something to delete.
#[derive(Debug, Clone)]
pub(crate) struct Trash {
    dir: PathBuf,
    next: Arc<AtomicU64>,
    reaping: Arc<Mutex<Reaping>>,
}

#[derive(Debug, Default)]
struct Reaping {
    running: bool,
    again: bool,
}

impl Trash {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, next: Arc::new(AtomicU64::new(start())), reaping: Arc::default() }
    }

    /// Moves a tree here. It is gone from its place when this returns.
    pub(crate) fn take(&self, path: &Path) -> std::io::Result<()> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        std::fs::rename(path, self.dir.join(format!("{}-{n}", std::process::id())))?;
        self.reap();
        Ok(())
    }

    /// Starts the reaper if it is not running.
    pub(crate) fn reap(&self) {
        let mut state = self.reaping.lock().unwrap_or_else(PoisonError::into_inner);
        state.again = true;
        if state.running {
            return;
        }
        let this = self.clone();
        let spawned =
            std::thread::Builder::new().name("reaper".to_owned()).stack_size(512 << 10).spawn(move || this.run());
        state.running = spawned.is_ok();
    }

    fn run(&self) {
        loop {
            {
                let mut state = self.reaping.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.again {
                    state.running = false;
                    return;
                }
                state.again = false;
            }
            self.empty();
        }
    }

    /// Deletes everything here. What fails (a file system gone read-only) stays for the next time.
    fn empty(&self) {
        let Ok(dir) = archive::open_dir(CWD, &self.dir) else { return };
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if let Ok(name) = CString::new(entry.file_name().as_bytes()) {
                let _ = archive::remove_tree(&dir, &name);
            }
        }
    }

    /// Whether nothing is left to delete (tests).
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        !self.reaping.lock().expect("lock").running && std::fs::read_dir(&self.dir).expect("ls").next().is_none()
    }
}

/// A first number for names, so that none that a crash left is met again by a process of the same id.
pub(crate) fn start() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| d.as_secs() << 24)
}
