use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use id::Digest;

use crate::store::{Inner, io};
use crate::{Error, Hasher, Result, durable};

/// The kernel begins to write a blob to disk after each so many bytes: the sync at the end is short then.
const WRITEBACK_STEP: u64 = 8 << 20;
/// After a power loss no more than what came in this time must be fetched again.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// A blob being written whose digest is known. What was written stays for a resume when this is dropped before
/// [`Ingest::commit`] or [`Ingest::discard`]; nothing written leaves nothing.
#[derive(Debug)]
pub struct Ingest {
    store: std::sync::Arc<Inner>,
    digest: Digest,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    offset: u64,
    /// When what is here was last known to be durable.
    synced: Instant,
    /// Its name is durable.
    named: bool,
}

impl Ingest {
    pub(crate) fn open(store: std::sync::Arc<Inner>, digest: Digest, size: u64) -> Result<Self> {
        store.claim(&digest)?;
        let path = store.partial(&digest);
        let opened = open_partial(&path, &digest, size);
        match opened {
            Ok((file, hasher, offset)) => {
                Ok(Self { store, digest, path, file, hasher, offset, synced: Instant::now(), named: offset > 0 })
            }
            Err(e) => {
                store.release(&digest);
                Err(e)
            }
        }
    }

    /// Bytes that are here already: where to resume.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// If the write fails (disk full).
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(io("write", &self.path))?;
        self.hasher.update(bytes);
        write_back(&self.file, self.offset, bytes.len());
        self.offset += bytes.len() as u64;
        if self.synced.elapsed() < SYNC_EVERY { Ok(()) } else { self.sync() }
    }

    /// Makes what is here durable, so that a power loss costs little.
    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(io("sync", &self.path))?;
        if let Some(dir) = self.path.parent().filter(|_| !self.named) {
            durable::sync_dir(dir).map_err(io("sync", dir))?;
            self.named = true;
        }
        self.synced = Instant::now();
        Ok(())
    }

    /// A second handle that reads what is here from the beginning.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(io("open", &self.path))
    }

    /// Starts again at nothing (the source has no ranges, or what was here is wrong).
    ///
    /// # Errors
    /// If the file cannot be cut.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(io("cut", &self.path))?;
        self.hasher = Hasher::like(&self.digest);
        self.offset = 0;
        Ok(())
    }

    /// Verifies size and digest, and publishes the blob durably. Wrong content is thrown away.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Digest`], or what the disk says.
    pub fn commit(self, size: u64) -> Result<()> {
        let got = self.hasher.clone().finish();
        if self.offset != size {
            let error = Error::Size { want: size, got: self.offset };
            self.discard();
            return Err(error);
        }
        if got != self.digest {
            let error = Error::Digest { want: self.digest.clone(), got };
            self.discard();
            return Err(error);
        }
        self.file.sync_data().map_err(io("sync", &self.path))?;
        self.store.publish(&self.path, &self.digest)
    }

    /// Throws away what is here.
    pub fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.offset == 0 {
            // Nothing to resume. After a commit (of an empty blob) the name is gone already.
            let _ = std::fs::remove_file(&self.path);
        }
        self.store.release(&self.digest);
    }
}

/// To be called after `length` bytes were appended at `offset`.
fn write_back(file: &File, offset: u64, length: usize) {
    let (before, now) = (offset / WRITEBACK_STEP, (offset + length as u64) / WRITEBACK_STEP);
    if now > before {
        sys::writeback::begin(file.as_fd(), before * WRITEBACK_STEP, (now - before) * WRITEBACK_STEP);
    }
}

/// Opens what an earlier attempt left, and hashes it. More than the whole blob is no start of it.
fn open_partial(path: &Path, digest: &Digest, size: u64) -> Result<(File, Hasher, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(io("open", path))?;
    let mut hasher = Hasher::like(digest);
    if file.metadata().map_err(io("stat", path))?.len() > size {
        file.set_len(0).map_err(io("cut", path))?;
    }
    let mut offset = 0;
    let mut buf = vec![0; 256 << 10];
    loop {
        let n = file.read(&mut buf).map_err(io("read", path))?;
        if n == 0 {
            break;
        }
        hasher.update(&buf[..n]);
        offset += n as u64;
    }
    file.seek(SeekFrom::Start(offset)).map_err(io("seek", path))?;
    Ok((file, hasher, offset))
}

/// A blob being written whose digest comes out at the end. Dropped without commit, it leaves nothing.
#[derive(Debug)]
pub struct NewBlob {
    store: std::sync::Arc<Inner>,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    size: u64,
}

impl NewBlob {
    pub(crate) fn create(store: std::sync::Arc<Inner>, path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io("create", &path))?;
        Ok(Self { store, path, file, hasher: Hasher::default(), size: 0 })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// If the write fails (disk full).
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(io("write", &self.path))?;
        self.hasher.update(bytes);
        write_back(&self.file, self.size, bytes.len());
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the bytes so far.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// A second handle that reads what is here from the beginning.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn reader(&self) -> Result<File> {
        File::open(&self.path).map_err(io("open", &self.path))
    }

    /// Publishes the blob durably under its digest.
    ///
    /// # Errors
    /// What the disk says.
    pub fn commit(self) -> Result<(Digest, u64)> {
        let digest = self.digest();
        if self.store.size_of(&digest)?.is_none() {
            self.file.sync_data().map_err(io("sync", &self.path))?;
            self.store.publish(&self.path, &digest)?;
        }
        Ok((digest, self.size))
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        // After a commit the name is gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}
