//! Removal of what nothing refers to any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use id::Digest;
use oci::image::{Descriptor, media_type};

use crate::walk::Walk;
use crate::{Result, Store};

/// What a sweep took away.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// Manifests and indexes.
    pub(crate) documents: Vec<Digest>,
    /// Bytes of blobs and layers.
    pub(crate) bytes: u64,
}

/// Takes away what nothing refers to.
pub(crate) struct Sweeper<'a>(pub(crate) &'a Store);

impl Sweeper<'_> {
    /// Removes the content and layers of images that lost their last name, unless other images, containers
    /// or running operations use them.
    pub(crate) fn targets(&self, targets: &[Descriptor]) -> Result<Swept> {
        let mut candidates = BTreeMap::new();
        for target in targets {
            if let Err(e) = Walk(self.0).blobs_of(target, &mut candidates) {
                tracing::warn!(image = %target.digest, error = %e, "removed image cannot be walked");
                candidates.insert(target.digest.clone(), target.clone());
            }
        }
        self.candidates(candidates)
    }

    fn candidates(&self, candidates: BTreeMap<String, Descriptor>) -> Result<Swept> {
        let _alone = self.0.inner.sweep.write().unwrap_or_else(PoisonError::into_inner);
        let keep = Walk(self.0).reachable();
        let pinned = self.0.pinned();
        let mut swept = Swept::default();
        let mut keys = HashSet::new();
        let mut gone = Vec::new();
        for (_, descriptor) in candidates.into_iter().filter(|(digest, _)| !keep.contains(digest)) {
            let digest = crate::record::digest_of(&descriptor)?;
            if pinned.contains_key(&digest) {
                continue;
            }
            if let Some(record) = self.0.manifest_record(digest.as_str()) {
                keys.extend(record.keys.iter().cloned());
                gone.push(digest.clone());
            }
            swept.bytes += self.0.inner.content.remove(&digest)?.unwrap_or(0);
            if media_type::is_manifest(&descriptor.media_type) || media_type::is_index(&descriptor.media_type) {
                swept.documents.push(digest);
            }
        }
        self.0.change(|_, change| {
            gone.into_iter().for_each(|d| change.remove_manifest(d));
            for document in &swept.documents {
                if !self.0.sources(document.as_str())?.is_empty() {
                    change.set_sources(document.clone(), Vec::new());
                }
            }
            Ok(())
        })?;
        swept.bytes += self.remove_layers(&keys, &pinned)?;
        Ok(swept)
    }

    /// Removes these blobs and layers unless something uses them.
    pub(crate) fn blobs(&self, blobs: BTreeMap<String, Descriptor>, keys: Vec<String>) -> Result<()> {
        self.candidates(blobs)?;
        let _alone = self.0.inner.sweep.write().unwrap_or_else(PoisonError::into_inner);
        let pinned = self.0.pinned();
        self.remove_layers(&keys.into_iter().collect(), &pinned).map(drop)
    }

    fn remove_layers(&self, keys: &HashSet<String>, pinned: &HashMap<Digest, usize>) -> Result<u64> {
        let mut bytes = 0;
        if keys.is_empty() {
            return Ok(bytes);
        }
        let used = self.used_layers()?;
        for key in keys.iter().filter(|k| !used.contains(*k) && !is_pinned(pinned, k)) {
            bytes += self.0.inner.snapshots.layer(key)?.map_or(0, |l| l.bytes);
            self.0.inner.snapshots.remove_layer(key)?;
        }
        Ok(bytes)
    }

    /// Layers of all images and of all containers.
    fn used_layers(&self) -> Result<HashSet<String>> {
        let mut used = self.0.inner.snapshots.rw_lowers()?;
        used.extend(self.0.manifest_records().values().flat_map(|r| r.keys.iter().cloned()));
        Ok(used)
    }

    /// Removes what a crash or a failed pull left: partial downloads, unreferenced blobs and layers older than `age`.
    /// Gives the bytes freed.
    pub(crate) fn stale(&self, age: Duration) -> Result<u64> {
        let _alone = self.0.inner.sweep.write().unwrap_or_else(PoisonError::into_inner);
        let keep = Walk(self.0).reachable();
        let pinned = self.0.pinned();
        let mut bytes = self.0.inner.content.expire_partials(age)?;
        bytes += self.0.inner.content.sweep(|d| keep.contains(d.as_str()) || pinned.contains_key(d), age)?;
        let records = self.0.manifest_records();
        let stale: Vec<Digest> = records
            .keys()
            .filter(|digest| !keep.contains(*digest))
            .filter_map(|digest| digest.parse().ok())
            .filter(|d| !pinned.contains_key(d))
            .collect();
        self.0.change(|_, change| {
            stale.into_iter().for_each(|d| change.remove_manifest(d));
            Ok(())
        })?;
        let used = self.used_layers()?;
        for key in self.0.inner.snapshots.layers()? {
            if !used.contains(&key) && !is_pinned(&pinned, &key) {
                bytes += self.0.inner.snapshots.layer(&key).ok().flatten().map_or(0, |l| l.bytes);
                if let Err(e) = self.0.inner.snapshots.remove_layer(&key) {
                    tracing::warn!(layer = key, error = %e, "stale layer cannot be removed");
                }
            }
        }
        Ok(bytes)
    }
}

/// Layers are pinned under their key as a digest.
fn is_pinned(pinned: &HashMap<Digest, usize>, key: &str) -> bool {
    let digest = if key.len() == 64 { format!("sha256:{key}") } else { format!("sha512:{key}") };
    digest.parse::<Digest>().is_ok_and(|d| pinned.contains_key(&d))
}
