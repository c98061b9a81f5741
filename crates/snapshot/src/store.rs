use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, IFlags, RenameFlags, fsync, ioctl_getflags, ioctl_setflags, renameat_with, syncfs};
use rustix::io::Errno;

use crate::trash::Trash;
use crate::{Error, LayerInfo, Result, Staged, usage};

/// The snapshots below one directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    pub(crate) trash: Trash,
    next: AtomicU64,
    /// One publication at a time: they share the cost of the sync.
    publishing: Mutex<()>,
}

impl Store {
    /// Opens (and makes) the store at `root`; what was being unpacked or deleted goes on to be deleted.
    ///
    /// # Errors
    /// If a directory cannot be made or read.
    pub fn open(root: &Path) -> Result<Self> {
        for dir in [root.to_owned(), root.join("layers"), root.join("staging"), root.join("rw"), root.join("trash")] {
            DirBuilder::new().recursive(true).mode(0o710).create(&dir).map_err(Error::io("create", &dir))?;
        }
        spread(&root.join("staging"));
        let trash = Trash::new(root.join("trash"));
        let inner = Inner {
            root: root.to_owned(),
            trash,
            next: AtomicU64::new(crate::trash::start()),
            publishing: Mutex::new(()),
        };
        let staging = root.join("staging");
        for entry in std::fs::read_dir(&staging).map_err(Error::io("read", &staging))?.flatten() {
            inner.trash.take(&entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
        inner.trash.reap();
        Ok(Self(Arc::new(inner)))
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    pub(crate) fn trash(&self) -> &Trash {
        &self.0.trash
    }

    /// What is known about the layer `key` (64 hexadecimal digits), if it is here.
    ///
    /// # Errors
    /// [`Error::Name`]; what the disk says.
    pub fn layer(&self, key: &str) -> Result<Option<LayerInfo>> {
        let path = self.layer_dir(key)?.join("layer");
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(LayerInfo::parse(&text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", path)(e)),
        }
    }

    /// The keys of all layers.
    ///
    /// # Errors
    /// What the disk says.
    pub fn layers(&self) -> Result<Vec<String>> {
        let dir = self.0.root.join("layers");
        let entries = std::fs::read_dir(&dir).map_err(Error::io("read", &dir))?;
        Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
    }

    /// The tree of a layer, to read.
    ///
    /// # Errors
    /// [`Error::NoLayer`]; what the disk says.
    pub fn open_layer(&self, key: &str) -> Result<OwnedFd> {
        let path = self.layer_dir(key)?.join("fs");
        match archive::open_dir(CWD, &path) {
            Err(Errno::NOENT) => Err(Error::NoLayer(key.to_owned())),
            other => other.map_err(|e| Error::io("open", path)(e.into())),
        }
    }

    /// Bytes on disk and objects of a layer, counted now.
    ///
    /// # Errors
    /// As [`Self::open_layer`].
    pub fn measure(&self, key: &str) -> Result<(u64, u64)> {
        usage::tree(self.open_layer(key)?)
            .map_err(|e| Error::io("measure", self.0.root.join("layers").join(key))(e.into()))
    }

    /// The directories for overlayfs' `lowerdir`, topmost first, from keys, lowest first. What an opaque root hides
    /// is left out: overlayfs does not look for that mark on a root.
    ///
    /// # Errors
    /// [`Error::NoLayer`]; what the disk says.
    pub fn lower_paths(&self, keys: &[String]) -> Result<Vec<PathBuf>> {
        let mut out: Vec<PathBuf> = Vec::with_capacity(keys.len());
        for key in keys.iter().rev() {
            let info = self.layer(key)?.ok_or_else(|| Error::NoLayer(key.clone()))?;
            let path = self.layer_dir(key)?.join("fs");
            // Overlayfs refuses to have a directory twice; the upper one hides the lower one anyway.
            if !out.contains(&path) {
                out.push(path);
            }
            if info.opaque_root {
                break;
            }
        }
        Ok(out)
    }

    /// Makes a place to unpack a layer into.
    ///
    /// # Errors
    /// What the disk says.
    pub fn stage(&self) -> Result<Staged> {
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        let path = self.0.root.join("staging").join(format!("{}-{n}", std::process::id()));
        let make = |p: &Path, mode| DirBuilder::new().mode(mode).create(p).map_err(Error::io("create", p));
        make(&path, 0o710)?;
        let staged = Staged::new(Arc::clone(&self.0), path.clone());
        make(&path.join("fs"), 0o755)?;
        Ok(staged)
    }

    /// Makes unpacked layers durable and visible, all with one sync. One that is here already is dropped. Bytes and objects
    /// of each are counted here, now that the file system has given them their blocks.
    ///
    /// # Errors
    /// What the disk says; the layers not yet visible then go to the trash.
    pub fn publish(&self, layers: Vec<(Staged, String, LayerInfo)>) -> Result<()> {
        if layers.is_empty() {
            return Ok(());
        }
        let _one = self.0.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.0.root.join("layers");
        let fd = archive::open_dir(CWD, &dir).map_err(|e| Error::io("open", &dir)(e.into()))?;
        syncfs(&fd).map_err(|e| Error::io("sync", &dir)(e.into()))?;
        let mut described = Vec::with_capacity(layers.len());
        for (staged, _, info) in &layers {
            described.push(describe(staged, *info)?);
        }
        for (path, file) in described {
            file.sync_all().map_err(Error::io("sync", path))?;
        }
        for (staged, key, _) in layers {
            let to = self.layer_dir(&key)?;
            match renameat_with(CWD, staged.path(), CWD, &to, RenameFlags::NOREPLACE) {
                Ok(()) => staged.published(),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(Error::io("rename", to)(e.into())),
            }
        }
        fsync(&fd).map_err(|e| Error::io("sync", &dir)(e.into()))
    }

    /// Puts a freshly unpacked layer in the place of a damaged one, which goes to `<root>/quarantine`. Mounts of the
    /// old one stay as they are.
    ///
    /// # Errors
    /// What the disk says; the old layer is out of the way then all the same.
    pub fn replace(&self, key: &str, staged: Staged, info: LayerInfo) -> Result<()> {
        let old = self.layer_dir(key)?;
        let dir = self.0.root.join("quarantine");
        DirBuilder::new().recursive(true).mode(0o710).create(&dir).map_err(Error::io("create", &dir))?;
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        match std::fs::rename(&old, dir.join(format!("{key}-{n}"))) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("move", old)(e)),
            _ => {}
        }
        self.publish(vec![(staged, key.to_owned(), info)])
    }

    /// Removes a layer. No error if it is not here.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn remove_layer(&self, key: &str) -> Result<()> {
        let path = self.layer_dir(key)?;
        match self.0.trash.take(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
            _ => Ok(()),
        }
    }

    fn layer_dir(&self, key: &str) -> Result<PathBuf> {
        let hex = matches!(key.len(), 64 | 128) && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(self.0.root.join("layers").join(key)) } else { Err(Error::Name(key.to_owned())) }
    }
}

/// Writes what is known about an unpacked layer beside it, not durably yet.
fn describe(staged: &Staged, info: LayerInfo) -> Result<(PathBuf, File)> {
    let path = staged.path().join("layer");
    let (bytes, inodes) = usage::tree(staged.root()?).map_err(|e| Error::io("measure", staged.path())(e.into()))?;
    let text = LayerInfo { bytes, inodes, ..info }.to_text();
    let file = File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
    file.map_err(Error::io("write", &path)).map(|file| (path, file))
}

/// Has the file system put each new subdirectory into a block group of its own (chattr(1), `T`): ext4 creates files
/// slowly in a group where many were just deleted. Other file systems have no such flag.
fn spread(dir: &Path) {
    if let Ok(fd) = archive::open_dir(CWD, dir)
        && let Ok(flags) = ioctl_getflags(&fd)
    {
        let _ = ioctl_setflags(&fd, flags | IFlags::TOPDIR);
    }
}

#[cfg(test)]
mod tests;
