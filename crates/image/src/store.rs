use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use id::Digest;
use metastore::{Batch, Db};
use oci::image::{Descriptor, Image as ImageDocument};

use crate::names::Names;
use crate::record::{MANIFESTS, ManifestRecord, Manifests, NAMES, NameRecord, SOURCES};
use crate::sweep::Sweeper;
use crate::walk::Walk;
use crate::{Archives, DiskUsage, Error, Result, Rootfs, StoreConfig, document};

/// How long content that no image refers to is kept for a resumed pull.
const KEEP_UNREFERENCED: Duration = Duration::from_secs(24 * 60 * 60);
/// Image documents kept parsed.
const CACHED_DOCUMENTS: usize = 8;
/// Indexes kept parsed.
const CACHED_INDEXES: usize = 4096;

/// The image store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Layers sent at once until somebody says otherwise: Docker's default.
const UPLOADS: usize = 5;

pub(crate) struct Inner {
    pub(crate) config: StoreConfig,
    pub(crate) content: content::Store,
    pub(crate) snapshots: snapshot::Store,
    meta: Arc<Db>,
    names: RwLock<Arc<Names>>,
    manifests: RwLock<Arc<Manifests>>,
    /// What indexes hold, parsed.
    indexes: Mutex<HashMap<Digest, Arc<[Descriptor]>>>,
    /// Held over a whole change of names: read, commit, publish in memory.
    change: Mutex<()>,
    /// Content and layers that a running operation counts on.
    pins: Mutex<HashMap<Digest, usize>>,
    /// Read: about to use layers. Write: removing layers.
    pub(crate) sweep: RwLock<()>,
    documents: Mutex<Vec<(Digest, Arc<ImageDocument>)>>,
    pub(crate) pulls: crate::pull::Jobs,
    /// Layers sent at once.
    pub(crate) uploads: AtomicUsize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("data_root", &self.inner.config.data_root).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens (and makes) the store below `config.data_root`; sweeps what a crash left behind.
    ///
    /// # Errors
    /// If the directories cannot be made or the records cannot be read.
    pub fn open(config: StoreConfig, meta: Arc<Db>) -> Result<Self> {
        let content = content::Store::open(&config.data_root.join("content"))?;
        let snapshots = snapshot::Store::open(&config.data_root.join("snapshots"))?;
        let scan = meta.scan(NAMES)?;
        for damaged in &scan.damaged {
            tracing::error!(name = %damaged.key, error = %damaged.error, "image record is damaged and left out");
        }
        let names: BTreeMap<String, NameRecord> = scan.records.into_iter().collect();
        let scan = meta.scan(MANIFESTS)?;
        for damaged in &scan.damaged {
            tracing::error!(manifest = %damaged.key, error = %damaged.error, "manifest record is damaged and left out");
        }
        let manifests: Manifests = scan.records.into_iter().map(|(digest, r)| (digest, Arc::new(r))).collect();
        let pulls = crate::pull::Jobs::new(config.max_concurrent_downloads);
        let store = Self {
            inner: Arc::new(Inner {
                config,
                content,
                snapshots,
                meta,
                names: RwLock::new(Arc::new(Names::new(names))),
                manifests: RwLock::new(Arc::new(manifests)),
                indexes: Mutex::default(),
                change: Mutex::new(()),
                pins: Mutex::default(),
                sweep: RwLock::new(()),
                documents: Mutex::default(),
                pulls,
                uploads: AtomicUsize::new(UPLOADS),
            }),
        };
        // Without a single name all content looks unreferenced: that is for `check` to look at, not to be swept.
        if store.count() > 0 {
            Sweeper(&store).stale(KEEP_UNREFERENCED)?;
        }
        Ok(store)
    }

    /// Load, save, import.
    pub fn archives(&self) -> Archives {
        Archives::new(self.clone())
    }

    /// The root file systems of containers.
    pub fn rootfs(&self) -> Rootfs {
        Rootfs::new(self.clone())
    }

    /// From now on so many layers are fetched and sent at once (`max-concurrent-downloads`, `max-concurrent-uploads`).
    pub fn set_concurrency(&self, downloads: usize, uploads: usize) {
        self.inner.pulls.resize(downloads);
        self.inner.uploads.store(uploads.clamp(1, 64), Ordering::Relaxed);
    }

    /// The engine's data-root.
    pub fn data_root(&self) -> &Path {
        &self.inner.config.data_root
    }

    /// The directory of the layers and of the containers' file systems.
    pub fn snapshot_root(&self) -> PathBuf {
        self.inner.snapshots.root().to_owned()
    }

    /// The number of images (for `info`).
    pub fn count(&self) -> usize {
        self.names().targets()
    }

    /// Bytes on disk of all images.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let content = self.inner.content.list()?.iter().map(|(_, size, _)| size).sum();
        let mut unpacked = 0;
        for key in self.inner.snapshots.layers()? {
            unpacked += self.inner.snapshots.layer(&key)?.map_or(0, |l| l.bytes);
        }
        Ok(DiskUsage { content, unpacked, partial: self.inner.content.partial_bytes()? })
    }

    /// Reads every blob of every image; gives what is damaged or missing.
    ///
    /// # Errors
    /// If the records cannot be read.
    pub fn verify(&self) -> Result<Vec<Error>> {
        let mut out = Vec::new();
        for digest in Walk(self).reachable() {
            if let Ok(digest) = digest.parse()
                && self.inner.content.size_of(&digest)?.is_some()
                && let Err(e) = self.inner.content.verify(&digest)
            {
                out.push(e.into());
            }
        }
        Ok(out)
    }

    /// All names at this moment.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.inner.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes names (and manifest records) in one durable step. `plan` sees the names as they are.
    pub(crate) fn change<T>(&self, plan: impl FnOnce(&Names, &mut Change) -> Result<T>) -> Result<T> {
        let _one = lock(&self.inner.change);
        let names = self.names();
        let mut change = Change::default();
        let out = plan(&names, &mut change)?;
        if change.is_empty() {
            return Ok(out);
        }
        let mut batch = Batch::default();
        for (name, record) in &change.names {
            match record {
                Some(record) => batch.put(NAMES, name, record)?,
                None => batch.delete(NAMES, name),
            }
        }
        for (digest, record) in &change.manifests {
            match record {
                Some(record) => batch.put(MANIFESTS, digest.as_str(), record)?,
                None => batch.delete(MANIFESTS, digest.as_str()),
            }
        }
        for (digest, record) in &change.sources {
            match record {
                Some(record) => batch.put(SOURCES, digest.as_str(), record)?,
                None => batch.delete(SOURCES, digest.as_str()),
            }
        }
        self.inner.meta.commit(batch)?;
        if !change.manifests.is_empty() {
            let mut all = (*self.manifest_records()).clone();
            for (digest, record) in change.manifests {
                match record {
                    Some(record) => drop(all.insert(digest.to_string(), Arc::new(record))),
                    None => drop(all.remove(digest.as_str())),
                }
            }
            *self.inner.manifests.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        }
        if !change.names.is_empty() {
            let new = Arc::new(names.with(change.names));
            *self.inner.names.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(out)
    }

    /// The record of a manifest whose content is here.
    pub(crate) fn manifest_record(&self, digest: &str) -> Option<Arc<ManifestRecord>> {
        self.inner.manifests.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// The manifests and indexes in an index, if it is here; the last ones asked for stay in memory.
    pub(crate) fn index_children(&self, index: &Descriptor) -> Result<Option<Arc<[Descriptor]>>> {
        let digest = crate::record::digest_of(index)?;
        if self.inner.content.size_of(&digest)?.is_none() {
            lock(&self.inner.indexes).remove(&digest);
            return Ok(None);
        }
        if let Some(children) = lock(&self.inner.indexes).get(&digest) {
            return Ok(Some(Arc::clone(children)));
        }
        let bytes = match self.inner.content.read(&digest, document::MAX_MANIFEST) {
            Err(content::Error::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let children: Arc<[Descriptor]> = document::index(&digest, &index.media_type, &bytes)?.manifests.into();
        let mut indexes = lock(&self.inner.indexes);
        if indexes.len() >= CACHED_INDEXES {
            indexes.clear();
        }
        indexes.insert(digest, Arc::clone(&children));
        Ok(Some(children))
    }

    /// Records that cannot be read: key, what is wrong, whether it is a name.
    pub(crate) fn damaged_records(&self) -> Result<Vec<(String, String, bool)>> {
        let names = self.inner.meta.scan(NAMES)?.damaged.into_iter().map(|d| (d.key, d.error.to_string(), true));
        let manifests = self.inner.meta.scan(MANIFESTS)?.damaged.into_iter();
        Ok(names.chain(manifests.map(|d| (d.key, d.error.to_string(), false))).collect())
    }

    /// Repositories that a target was pulled from or pushed to.
    pub(crate) fn sources(&self, target: &str) -> Result<Vec<String>> {
        Ok(self.inner.meta.get(SOURCES, target)?.unwrap_or_default())
    }

    /// Adds a repository to [`Self::sources`] in `change`.
    pub(crate) fn add_source(&self, change: &mut Change, target: &Digest, repository: String) -> Result<()> {
        let mut all = self.sources(target.as_str())?;
        if !all.contains(&repository) {
            all.push(repository);
            all.sort();
            change.set_sources(target.clone(), all);
        }
        Ok(())
    }

    /// All manifest records; damaged ones are left out.
    pub(crate) fn manifest_records(&self) -> Arc<Manifests> {
        Arc::clone(&self.inner.manifests.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// An image document, parsed; the last few stay in memory.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Arc<ImageDocument>> {
        let found = lock(&self.inner.documents).iter().find(|(d, _)| d == digest).map(|(_, doc)| Arc::clone(doc));
        if let Some(doc) = found {
            return Ok(doc);
        }
        let bytes = self.inner.content.read(digest, document::MAX_CONFIG)?;
        let doc = Arc::new(document::image(digest, &bytes)?);
        let mut cache = lock(&self.inner.documents);
        cache.retain(|(d, _)| d != digest);
        cache.insert(0, (digest.clone(), Arc::clone(&doc)));
        cache.truncate(CACHED_DOCUMENTS);
        Ok(doc)
    }

    /// Keeps content and layers from being swept until the pin is dropped.
    pub(crate) fn pin(&self, digests: impl IntoIterator<Item = Digest>) -> Pin {
        let digests: Vec<Digest> = digests.into_iter().collect();
        let mut pins = lock(&self.inner.pins);
        for d in &digests {
            *pins.entry(d.clone()).or_default() += 1;
        }
        Pin { store: Arc::clone(&self.inner), digests }
    }

    /// The pins, locked: nothing new is pinned while this is held.
    pub(crate) fn pinned(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        lock(&self.inner.pins)
    }

    /// Held while layers are looked up and put into use.
    pub(crate) fn using_layers(&self) -> RwLockReadGuard<'_, ()> {
        self.inner.sweep.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves the data whole, also when it panics.
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to names and manifest records that belong together; `None` removes.
#[derive(Default)]
pub(crate) struct Change {
    names: BTreeMap<String, Option<NameRecord>>,
    manifests: BTreeMap<Digest, Option<ManifestRecord>>,
    sources: BTreeMap<Digest, Option<Vec<String>>>,
}

impl Change {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.manifests.is_empty() && self.sources.is_empty()
    }

    pub(crate) fn put_name(&mut self, name: String, record: NameRecord) {
        self.names.insert(name, Some(record));
    }

    pub(crate) fn remove_name(&mut self, name: &str) {
        self.names.insert(name.to_owned(), None);
    }

    pub(crate) fn put_manifest(&mut self, digest: Digest, record: ManifestRecord) {
        self.manifests.insert(digest, Some(record));
    }

    pub(crate) fn remove_manifest(&mut self, digest: Digest) {
        self.manifests.insert(digest, None);
    }

    /// Writes down where `target` was pulled from or pushed to; empty forgets it.
    pub(crate) fn set_sources(&mut self, target: Digest, repositories: Vec<String>) {
        self.sources.insert(target, Some(repositories).filter(|r| !r.is_empty()));
    }

    /// Points `name` at `target`. An image that thereby loses its last name is kept without one; one that gains a
    /// name is no longer kept so.
    pub(crate) fn set_name(
        &mut self,
        names: &Names,
        name: &str,
        target: &Descriptor,
        labels: BTreeMap<String, String>,
    ) {
        let now = crate::record::now();
        let old = names.get(name);
        if let Some(old) = old
            && old.target.digest != target.digest
        {
            self.keep_dangling(names, name, old);
        }
        let created = old.filter(|o| o.target.digest == target.digest).map_or(now, |o| o.created);
        self.put_name(name.to_owned(), NameRecord { target: target.clone(), created, updated: now, labels });
        let dangling = crate::record::dangling_name(&target.digest);
        if name != dangling && names.get(&dangling).is_some() {
            self.remove_name(&dangling);
        }
    }

    /// Gives the image of `old` a dangling name if `name` is its last one.
    pub(crate) fn keep_dangling(&mut self, names: &Names, name: &str, old: &NameRecord) {
        let others = names.of_target(&old.target.digest).any(|(n, _)| n != name && !self.removes(n));
        if !others {
            let dangling = crate::record::dangling_name(&old.target.digest);
            self.put_name(dangling, NameRecord { updated: crate::record::now(), ..old.clone() });
        }
    }

    fn removes(&self, name: &str) -> bool {
        matches!(self.names.get(name), Some(None))
    }
}

/// Content and layers that are in use while this lives.
pub(crate) struct Pin {
    store: Arc<Inner>,
    digests: Vec<Digest>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = lock(&self.store.pins);
        for d in &self.digests {
            if let Some(n) = pins.get_mut(d) {
                *n -= 1;
                if *n == 0 {
                    pins.remove(d);
                }
            }
        }
    }
}
