use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use id::Digest;

use crate::{Error, Hasher, Ingest, NewBlob, Result, durable};

/// The algorithms there are directories for.
const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];

/// More documents than this are made durable by one sync of the file system.
const FEW_DOCUMENTS: usize = 16;

/// A content store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    /// Digests being written by this process.
    writing: Mutex<HashSet<Digest>>,
    next: AtomicU64,
}

pub(crate) fn io(op: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    Error::io(op, path)
}

impl Store {
    /// Opens (and makes) the store at `root`; removes what no run can continue.
    ///
    /// # Errors
    /// If a directory cannot be made or read.
    pub fn open(root: &Path) -> Result<Self> {
        let dirs = ALGORITHMS.iter().map(|a| root.join("blobs").join(a)).chain([root.join("ingest")]);
        for dir in dirs {
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io("create", &dir))?;
        }
        durable::sync_dir(&root.join("blobs")).and_then(|()| durable::sync_dir(root)).map_err(io("sync", root))?;
        let store = Self(Arc::new(Inner {
            root: root.to_owned(),
            writing: Mutex::new(HashSet::new()),
            next: AtomicU64::new(0),
        }));
        let mut left = store.partials()?;
        for algorithm in ALGORITHMS {
            left.extend(read_dir(&root.join("blobs").join(algorithm))?);
        }
        for (path, name, _) in left {
            if name.starts_with("new-") || name.starts_with(".tmp-") {
                fs::remove_file(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(store)
    }

    /// The size of a blob, if it is here.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        self.0.size_of(digest)
    }

    /// Where a blob lies.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.0.blob(digest)
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn reader(&self, digest: &Digest) -> Result<File> {
        let path = self.0.blob(digest);
        match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::NotFound(digest.clone())),
            other => other.map_err(io("open", &path)),
        }
    }

    /// Reads a document, at most `limit` bytes, and checks its digest.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooLarge`], [`Error::Damaged`].
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let path = self.0.blob(digest);
        let file = self.reader(digest)?;
        let size = file.metadata().map_err(io("stat", &path))?.len();
        if size > limit {
            return Err(Error::TooLarge { digest: digest.clone(), size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(limit).read_to_end(&mut bytes).map_err(io("read", &path))?;
        let mut hasher = Hasher::like(digest);
        hasher.update(&bytes);
        let got = hasher.finish();
        if got == *digest { Ok(bytes) } else { Err(Error::Damaged { digest: digest.clone(), got }) }
    }

    /// Reads a whole blob through the hash.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`].
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        let path = self.0.blob(digest);
        let mut file = self.reader(digest)?;
        let mut hasher = Hasher::like(digest);
        let mut buf = vec![0; 256 << 10];
        loop {
            let n = file.read(&mut buf).map_err(io("read", &path))?;
            if n == 0 {
                break;
            }
            hasher.update(&buf[..n]);
        }
        let got = hasher.finish();
        if got == *digest { Ok(()) } else { Err(Error::Damaged { digest: digest.clone(), got }) }
    }

    /// Stores a small document durably; gives its digest (SHA-256).
    ///
    /// # Errors
    /// What the disk says.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Hasher::digest(bytes);
        self.put_as(&digest, bytes)?;
        Ok(digest)
    }

    /// Stores a small document durably under the digest it must have.
    ///
    /// # Errors
    /// [`Error::Digest`], or what the disk says.
    pub fn put_as(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let mut hasher = Hasher::like(digest);
        hasher.update(bytes);
        let got = hasher.finish();
        if got != *digest {
            return Err(Error::Digest { want: digest.clone(), got });
        }
        if self.size_of(digest)? == Some(bytes.len() as u64) {
            return Ok(());
        }
        let path = self.0.blob(digest);
        durable::write(&path, bytes, 0o600).map_err(io("write", &path))
    }

    /// [`Self::put_as`] for several documents, with fewer syncs.
    ///
    /// # Errors
    /// As [`Self::put_as`]; documents written before stay.
    pub fn put_all(&self, documents: &BTreeMap<Digest, Vec<u8>>) -> Result<()> {
        let mut written: Vec<(PathBuf, PathBuf)> = Vec::new();
        let result = self.write_temporary(documents, &mut written).and_then(|()| {
            let mut dirs = HashSet::new();
            for (temp, path) in &written {
                fs::rename(temp, path).map_err(io("rename", temp))?;
                dirs.extend(path.parent());
            }
            dirs.into_iter().try_for_each(|dir| durable::sync_dir(dir).map_err(io("sync", dir)))
        });
        if result.is_err() {
            for (temp, _) in &written {
                let _ = fs::remove_file(temp);
            }
        }
        result
    }

    /// Writes documents that are not here under temporary names, and makes their bytes durable.
    fn write_temporary(
        &self,
        documents: &BTreeMap<Digest, Vec<u8>>,
        written: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<()> {
        for (digest, bytes) in documents {
            let mut hasher = Hasher::like(digest);
            hasher.update(bytes);
            let got = hasher.finish();
            if got != *digest {
                return Err(Error::Digest { want: digest.clone(), got });
            }
            if self.size_of(digest)? == Some(bytes.len() as u64) {
                continue;
            }
            let path = self.0.blob(digest);
            let n = self.0.next.fetch_add(1, Ordering::Relaxed);
            let temp = path.with_file_name(format!(".tmp-{}-doc-{n}", std::process::id()));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temp)
                .map_err(io("create", &temp))?;
            written.push((temp.clone(), path));
            file.write_all(bytes).map_err(io("write", &temp))?;
            if documents.len() <= FEW_DOCUMENTS {
                file.sync_data().map_err(io("sync", &temp))?;
            }
        }
        if documents.len() > FEW_DOCUMENTS && !written.is_empty() {
            let root = File::open(&self.0.root).map_err(io("open", &self.0.root))?;
            rustix::fs::syncfs(root).map_err(|e| Error::io("sync", &self.0.root)(e.into()))?;
        }
        Ok(())
    }

    /// Starts or resumes writing a blob of `size` bytes whose digest is known.
    ///
    /// # Errors
    /// [`Error::Busy`] if this process is writing it already.
    pub fn ingest(&self, digest: &Digest, size: u64) -> Result<Ingest> {
        Ingest::open(Arc::clone(&self.0), digest.clone(), size)
    }

    /// Starts writing a blob whose digest is not known.
    ///
    /// # Errors
    /// What the disk says.
    pub fn ingest_new(&self) -> Result<NewBlob> {
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        let path = self.0.root.join("ingest").join(format!("new-{}-{n}", std::process::id()));
        NewBlob::create(Arc::clone(&self.0), path)
    }

    /// Removes a blob; gives its size, or `None` if it was not here.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove(&self, digest: &Digest) -> Result<Option<u64>> {
        let size = self.size_of(digest)?;
        let path = self.0.blob(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(size),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("remove", path)(e)),
        }
    }

    /// Moves a blob to `<root>/quarantine`, where nothing looks for it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn quarantine(&self, digest: &Digest) -> Result<()> {
        let dir = self.0.root.join("quarantine");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io("create", &dir))?;
        let path = self.0.blob(digest);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let to = dir.join(format!("{}-{}-{now}", digest.algorithm(), digest.hex()));
        fs::rename(&path, to).map_err(io("move", &path))
    }

    /// All blobs with their sizes and times.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(&self) -> Result<Vec<(Digest, u64, SystemTime)>> {
        let mut out = Vec::new();
        for algorithm in ALGORITHMS {
            let dir = self.0.root.join("blobs").join(algorithm);
            for (_, name, meta) in read_dir(&dir)? {
                // Names that are no digest are writes under way.
                if let Ok(digest) = format!("{algorithm}:{name}").parse() {
                    out.push((digest, meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                }
            }
        }
        Ok(out)
    }

    /// Removes blobs that `keep` does not want and that are older than `age`; gives the bytes freed.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sweep(&self, keep: impl Fn(&Digest) -> bool, age: Duration) -> Result<u64> {
        let mut freed = 0;
        for (digest, _, modified) in self.list()? {
            if is_older(modified, age) && !keep(&digest) {
                freed += self.remove(&digest)?.unwrap_or(0);
            }
        }
        Ok(freed)
    }

    /// Bytes of downloads that could be resumed.
    ///
    /// # Errors
    /// What the disk says.
    pub fn partial_bytes(&self) -> Result<u64> {
        Ok(self.partials()?.iter().map(|(_, _, meta)| meta.len()).sum())
    }

    /// Removes partial downloads that nobody writes and that are older than `age`; gives the bytes freed.
    ///
    /// # Errors
    /// What the disk says.
    pub fn expire_partials(&self, age: Duration) -> Result<u64> {
        let mut freed = 0;
        for (path, name, meta) in self.partials()? {
            let digest = name.replacen('-', ":", 1).parse::<Digest>();
            let Ok(digest) = digest else { continue };
            let writing = self.0.lock();
            let old = is_older(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), age);
            if old && !writing.contains(&digest) && fs::remove_file(&path).is_ok() {
                freed += meta.len();
            }
        }
        Ok(freed)
    }

    fn partials(&self) -> Result<Vec<(PathBuf, String, fs::Metadata)>> {
        read_dir(&self.0.root.join("ingest"))
    }
}

impl Inner {
    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    pub(crate) fn partial(&self, digest: &Digest) -> PathBuf {
        self.root.join("ingest").join(format!("{}-{}", digest.algorithm(), digest.hex()))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn claim(&self, digest: &Digest) -> Result<()> {
        if self.lock().insert(digest.clone()) { Ok(()) } else { Err(Error::Busy(digest.clone())) }
    }

    pub(crate) fn release(&self, digest: &Digest) {
        self.lock().remove(digest);
    }

    pub(crate) fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob(digest);
        match fs::symlink_metadata(&path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("stat", path)(e)),
        }
    }

    /// Gives a synced file its name below `blobs`, durably.
    pub(crate) fn publish(&self, from: &Path, digest: &Digest) -> Result<()> {
        let to = self.blob(digest);
        fs::rename(from, &to).map_err(io("rename", from))?;
        let dir = to.parent().unwrap_or(&self.root);
        durable::sync_dir(dir).map_err(io("sync", dir))
    }
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    // A time in the future (the clock was set back) counts as new.
    SystemTime::now().duration_since(time).is_ok_and(|d| d >= age)
}

fn read_dir(dir: &Path) -> Result<Vec<(PathBuf, String, fs::Metadata)>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let entry = entry.map_err(io("read", dir))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.metadata() {
            Ok(meta) if meta.is_file() => out.push((entry.path(), name, meta)),
            _ => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let tmp = tempfile::tempdir().expect("tempdir");
        let store = Store::open(tmp.path()).expect("opens");
        (tmp, store)
    }

    #[test]
    fn documents_come_back_and_rot_is_seen() {
        let (_tmp, store) = store();
        let d = store.put(b"hello").expect("puts");
        assert_eq!(d.hex(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!(store.read(&d, 100).expect("reads"), b"hello");
        assert!(matches!(store.read(&d, 4), Err(Error::TooLarge { .. })));
        fs::write(store.path(&d), b"hellO").expect("rots");
        assert!(matches!(store.read(&d, 100), Err(Error::Damaged { .. })));
        assert!(matches!(store.verify(&d), Err(Error::Damaged { .. })));
        assert_eq!(store.remove(&d).expect("removes"), Some(5));
        assert!(matches!(store.read(&d, 100), Err(Error::NotFound(_))));
    }

    #[test]
    fn an_ingest_without_a_byte_leaves_nothing() {
        let (tmp, store) = store();
        let d = Hasher::digest(b"hello world");
        drop(store.ingest(&d, 11).expect("starts"));
        let left = fs::read_dir(tmp.path().join("ingest")).expect("is there").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_partial_blob_is_resumed_after_a_restart() {
        let (tmp, store) = store();
        let d = Hasher::digest(b"hello world");
        let mut i = store.ingest(&d, 11).expect("starts");
        assert!(matches!(store.ingest(&d, 11), Err(Error::Busy(_))));
        i.write(b"hello").expect("writes");
        drop(i);
        assert_eq!(store.size_of(&d).expect("stat"), None);
        let store = Store::open(tmp.path()).expect("reopens");
        assert_eq!(store.partial_bytes().expect("counts"), 5);
        let mut i = store.ingest(&d, 11).expect("resumes");
        assert_eq!(i.offset(), 5);
        i.write(b" world").expect("writes");
        i.commit(11).expect("commits");
        assert_eq!(store.read(&d, 100).expect("reads"), b"hello world");
        assert_eq!(store.partial_bytes().expect("counts"), 0);
    }

    #[test]
    fn wrong_content_is_thrown_away() {
        let (_tmp, store) = store();
        let d = Hasher::digest(b"hello");
        for (bytes, size) in [(&b"hellO"[..], 5), (b"hell", 5), (b"hello!", 5)] {
            let mut i = store.ingest(&d, size).expect("starts");
            i.write(bytes).expect("writes");
            assert!(matches!(i.commit(size), Err(Error::Digest { .. } | Error::Size { .. })));
            assert_eq!(store.partial_bytes().expect("counts"), 0);
            assert_eq!(store.size_of(&d).expect("stat"), None);
        }
        assert!(matches!(store.put_as(&d, b"x"), Err(Error::Digest { .. })));
    }

    #[test]
    fn new_blobs_leave_nothing_unless_committed() {
        let (_tmp, store) = store();
        let mut n = store.ingest_new().expect("starts");
        n.write(b"abc").expect("writes");
        drop(n);
        assert_eq!(store.partial_bytes().expect("counts"), 0);
        let mut n = store.ingest_new().expect("starts");
        n.write(b"abc").expect("writes");
        let (d, size) = n.commit().expect("commits");
        assert_eq!((size, store.size_of(&d).expect("stat")), (3, Some(3)));
    }

    #[test]
    fn sweeps_keep_what_is_wanted_or_new() {
        let (_tmp, store) = store();
        let (a, b) = (store.put(b"a").expect("puts"), store.put(b"bb").expect("puts"));
        assert_eq!(store.sweep(|_| false, Duration::from_secs(60)).expect("sweeps"), 0);
        assert_eq!(store.sweep(|d| *d == a, Duration::ZERO).expect("sweeps"), 2);
        assert_eq!(store.size_of(&a).expect("stat"), Some(1));
        assert_eq!(store.size_of(&b).expect("stat"), None);
    }

    #[test]
    fn many_documents_are_put_at_once() {
        let (_tmp, store) = store();
        for n in [1u32, 3, 40] {
            let docs: BTreeMap<Digest, Vec<u8>> =
                (0..n).map(|i| i.to_string().into_bytes()).map(|b| (Hasher::digest(&b), b)).collect();
            store.put_all(&docs).expect("puts");
            assert_eq!(store.list().expect("lists").len(), docs.len());
            assert!(docs.keys().all(|d| store.verify(d).is_ok()));
        }
        let wrong = BTreeMap::from([(Hasher::digest(b"a"), b"b".to_vec())]);
        assert!(matches!(store.put_all(&wrong), Err(Error::Digest { .. })));
    }

    #[test]
    fn sha512_is_an_algorithm_too() {
        let (_tmp, store) = store();
        let mut h = sha512();
        h.update(b"x");
        let d = h.finish();
        store.put_as(&d, b"x").expect("puts");
        assert_eq!(store.read(&d, 10).expect("reads"), b"x");
    }

    fn sha512() -> Hasher {
        Hasher::like(&format!("sha512:{}", "0".repeat(128)).parse().expect("digest"))
    }
}
