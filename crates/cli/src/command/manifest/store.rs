//! Lists under way: `manifests/<list>/<manifest>` in the configuration directory, as Docker keeps them.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::entry::Entry;
use crate::app::App;
use crate::failure::{Failure, Result, path_error};
use crate::reference::Reference;

/// Where the lists are.
#[derive(Debug)]
pub(super) struct Store(PathBuf);

/// There is no such list, or no such manifest in it.
pub(super) fn missing(name: &Reference) -> Failure {
    Failure::new(format!("No such manifest: {}", name.full()))
}

/// Names hold neither `..` nor anything else that leaves the directory: they were parsed.
fn file_name(name: &Reference) -> String {
    name.full().replace(':', "-").replace('/', "_")
}

impl Store {
    pub(super) fn new(app: &App) -> Self {
        Self(app.config.dir.join("manifests"))
    }

    fn dir(&self, list: &Reference) -> PathBuf {
        self.0.join(file_name(list))
    }

    fn read(path: PathBuf) -> Result<Option<Entry>> {
        match fs::read_to_string(&path) {
            Ok(text) => Entry::parse(&text).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(path_error("open", path, &e)),
        }
    }

    /// One manifest of a list.
    pub(super) fn get(&self, list: &Reference, name: &Reference) -> Result<Option<Entry>> {
        Self::read(self.dir(list).join(file_name(name)))
    }

    /// All manifests of a list, by file name; nothing if there is no such list.
    pub(super) fn list(&self, list: &Reference) -> Result<Option<Vec<Entry>>> {
        let dir = self.dir(list);
        let files = match fs::read_dir(&dir) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(path_error("open", dir, &e)),
        };
        let mut paths: Vec<PathBuf> = files.filter_map(|f| f.ok().map(|f| f.path())).collect();
        paths.sort();
        paths.into_iter().filter_map(|path| Self::read(path).transpose()).collect::<Result<_>>().map(Some)
    }

    /// Writes a manifest of a list, in the place of what was there.
    pub(super) fn save(&self, list: &Reference, name: &Reference, entry: &Entry) -> Result<()> {
        let dir = self.dir(list);
        fs::create_dir_all(&dir).map_err(|e| path_error("mkdir", &dir, &e))?;
        let path = dir.join(file_name(name));
        fs::write(&path, entry.to_json()).map_err(|e| path_error("open", &path, &e))
    }

    /// Forgets a list.
    pub(super) fn remove(&self, list: &Reference) -> Result<()> {
        let dir = self.dir(list);
        fs::remove_dir_all(&dir).map_err(|e| path_error("unlinkat", &dir, &e))
    }
}
