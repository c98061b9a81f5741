use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::CWD;

use crate::store::Inner;
use crate::{Error, Result};

/// A layer being unpacked. Goes to the trash when dropped before it is published.
#[derive(Debug)]
pub struct Staged {
    store: Arc<Inner>,
    path: Option<PathBuf>,
}

impl Staged {
    pub(crate) fn new(store: Arc<Inner>, path: PathBuf) -> Self {
        Self { store, path: Some(path) }
    }

    /// The directory to unpack into.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn root(&self) -> Result<OwnedFd> {
        let path = self.path().join("fs");
        archive::open_dir(CWD, &path).map_err(|e| Error::io("open", path)(e.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// The directory now belongs to the published layers.
    pub(crate) fn published(mut self) {
        self.path = None;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be moved now is swept at the next open.
            let _ = self.store.trash.take(&path);
        }
    }
}
