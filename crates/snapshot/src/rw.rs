use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use crate::{Error, Result, Store, usage};

/// What an overlay mount is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Read-only layers, topmost first.
    pub lower: Vec<PathBuf>,
    /// The writable layer.
    pub upper: PathBuf,
    /// Overlayfs' work directory.
    pub work: PathBuf,
}

impl Store {
    /// Makes a read-write layer called `name` on the layers `lower` (keys, lowest first).
    ///
    /// # Errors
    /// [`Error::NoLayer`] if a layer is not here; what the disk says. Nothing is left behind then.
    pub fn prepare_rw(&self, name: &str, lower: &[String]) -> Result<Mount> {
        let dir = self.rw_dir(name)?;
        let mount = self.mount(&dir, lower)?;
        self.make_rw(&dir, &mount, lower).inspect_err(|_| {
            let _ = self.trash().take(&dir);
        })?;
        Ok(mount)
    }

    /// The mount of a read-write layer made before. Directories that a power loss took (they were empty) are made
    /// again; `fallback` are the layers if the list was lost, too.
    ///
    /// # Errors
    /// [`Error::NoRw`], and as [`Self::prepare_rw`].
    pub fn rw_mount(&self, name: &str, fallback: Option<&[String]>) -> Result<Mount> {
        let dir = self.rw_dir(name)?;
        let lower = match (read_lower(&dir), fallback) {
            (Some(lower), _) => lower,
            (None, Some(lower)) => lower.to_vec(),
            (None, None) => return Err(Error::NoRw(name.to_owned())),
        };
        let mount = self.mount(&dir, &lower)?;
        if !mount.upper.is_dir() || !mount.work.is_dir() || read_lower(&dir).is_none() {
            self.make_rw(&dir, &mount, &lower)?;
        }
        Ok(mount)
    }

    /// Removes a read-write layer. No error if there is none.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn remove_rw(&self, name: &str) -> Result<()> {
        let dir = self.rw_dir(name)?;
        match self.trash().take(&dir) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", dir)(e)),
            _ => Ok(()),
        }
    }

    /// Bytes on disk of a read-write layer.
    ///
    /// # Errors
    /// [`Error::NoRw`]; what the disk says.
    pub fn rw_usage(&self, name: &str) -> Result<u64> {
        let upper = self.rw_dir(name)?.join("upper");
        let fd = match archive::open_dir(CWD, &upper) {
            Err(rustix::io::Errno::NOENT) => return Err(Error::NoRw(name.to_owned())),
            other => other,
        };
        fd.and_then(usage::tree).map(|(bytes, _)| bytes).map_err(|e| Error::io("measure", upper)(e.into()))
    }

    /// The names of all read-write layers.
    ///
    /// # Errors
    /// What the disk says.
    pub fn rw_names(&self) -> Result<Vec<String>> {
        let dir = self.root().join("rw");
        let entries = std::fs::read_dir(&dir).map_err(Error::io("read", &dir))?;
        Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
    }

    /// The keys of all layers that read-write layers lie on.
    ///
    /// # Errors
    /// What the disk says.
    pub fn rw_lowers(&self) -> Result<HashSet<String>> {
        let dir = self.root().join("rw");
        Ok(self.rw_names()?.iter().filter_map(|n| read_lower(&dir.join(n))).flatten().collect())
    }

    fn rw_dir(&self, name: &str) -> Result<PathBuf> {
        let ok = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if ok { Ok(self.root().join("rw").join(name)) } else { Err(Error::Name(name.to_owned())) }
    }

    fn mount(&self, dir: &Path, lower: &[String]) -> Result<Mount> {
        Ok(Mount { lower: self.lower_paths(lower)?, upper: dir.join("upper"), work: dir.join("work") })
    }

    fn make_rw(&self, dir: &Path, mount: &Mount, lower: &[String]) -> Result<()> {
        let make = |path: &Path, mode| match std::fs::DirBuilder::new().mode(mode).create(path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(Error::io("create", path)(e)),
            _ => Ok(()),
        };
        make(dir, 0o710)?;
        make(&mount.upper, 0o755)?;
        make(&mount.work, 0o700)?;
        // The container's root belongs to whom the image's root belongs.
        if let Some(top) = mount.lower.first() {
            let meta = std::fs::symlink_metadata(top).map_err(Error::io("stat", top))?;
            if meta.uid() != 0 || meta.gid() != 0 {
                std::os::unix::fs::lchown(&mount.upper, Some(meta.uid()), Some(meta.gid()))
                    .map_err(Error::io("chown", &mount.upper))?;
            }
        }
        let path = dir.join("lower");
        let text = format!("{}\n.\n", lower.join("\n"));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes()));
        written.map_err(Error::io("write", path))
    }
}

/// The list of layers; `None` if it is not there or cut (it ends with a dot).
fn read_lower(dir: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(dir.join("lower")).ok()?;
    let list = text.strip_suffix("\n.\n")?;
    Some(list.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect())
}
