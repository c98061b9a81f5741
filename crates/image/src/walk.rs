//! From a target descriptor to its manifests and blobs, as far as they are here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use id::Digest;
use oci::image::{Descriptor, Platform, media_type};

use crate::record::{ManifestRecord, digest_of};
use crate::{Error, Result, Store, document, platform};

/// Indexes in indexes, at most.
const MAX_NESTING: usize = 4;

/// A manifest of an image.
#[derive(Debug, Clone)]
pub(crate) struct ManifestAt {
    pub(crate) descriptor: Descriptor,
    /// Its record, if its content is here.
    pub(crate) record: Option<Arc<ManifestRecord>>,
}

impl ManifestAt {
    /// The platform: the index's word, else the document's.
    pub(crate) fn platform(&self) -> Option<Platform> {
        let declared = self.descriptor.platform.clone().filter(|p| !p.architecture.is_empty());
        declared.or_else(|| self.record.as_ref().map(|r| r.platform.clone()))
    }

    pub(crate) fn is_attestation(&self) -> bool {
        document::attestation_subject(&self.descriptor).is_some()
    }
}

/// Finds its way through what is here.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a>(pub(crate) &'a Store);

impl Walk<'_> {
    /// The manifests of a target, in the index's order.
    pub(crate) fn manifests_of(&self, target: &Descriptor) -> Result<Vec<ManifestAt>> {
        let mut out = Vec::new();
        self.each(target, 0, &mut |descriptor, is_index| {
            if !is_index {
                let record = self.0.manifest_record(&descriptor.digest);
                out.push(ManifestAt { descriptor: descriptor.clone(), record });
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Calls `visit` for each index (`true`) and manifest (`false`) below `target`. Indexes that are not here are
    /// passed over.
    pub(crate) fn each(
        &self,
        target: &Descriptor,
        nesting: usize,
        visit: &mut dyn FnMut(&Descriptor, bool) -> Result<()>,
    ) -> Result<()> {
        if !media_type::is_index(&target.media_type) {
            return visit(target, false);
        }
        let digest = digest_of(target)?;
        if nesting >= MAX_NESTING {
            return Err(Error::InvalidDocument { what: "index", digest, why: "nested too deep".to_owned() });
        }
        let Some(children) = self.0.index_children(target)? else { return Ok(()) };
        visit(target, true)?;
        for child in children.iter() {
            self.each(child, nesting + 1, visit)?;
        }
        Ok(())
    }

    /// All blobs that belong to a target and are here, by digest.
    pub(crate) fn blobs_of(&self, target: &Descriptor, out: &mut BTreeMap<String, Descriptor>) -> Result<()> {
        let mut manifests = Vec::new();
        self.each(target, 0, &mut |d, is_index| {
            if is_index {
                out.insert(d.digest.clone(), d.clone());
            } else {
                manifests.push(d.clone());
            }
            Ok(())
        })?;
        for d in manifests {
            let digest = digest_of(&d)?;
            if self.0.inner.content.size_of(&digest)?.is_none() {
                continue;
            }
            out.insert(d.digest.clone(), d.clone());
            for blob in self.children(&digest, &d)? {
                let child = digest_of(&blob)?;
                if self.0.inner.content.size_of(&child)?.is_some() {
                    out.insert(blob.digest.clone(), blob);
                }
            }
        }
        Ok(())
    }

    /// Document and layers of a manifest that is here.
    fn children(&self, digest: &Digest, d: &Descriptor) -> Result<Vec<Descriptor>> {
        if !media_type::is_manifest(&d.media_type) {
            return Ok(Vec::new());
        }
        let bytes = self.0.inner.content.read(digest, document::MAX_MANIFEST)?;
        let manifest = document::manifest(digest, &d.media_type, &bytes)?;
        Ok(std::iter::once(manifest.config).chain(manifest.layers).collect())
    }

    /// The digests of everything that belongs to an image, whether it is here or not.
    pub(crate) fn reachable(&self) -> HashSet<String> {
        let mut out = HashSet::new();
        let names = self.0.names();
        for (name, record) in names.iter() {
            if !out.insert(record.target.digest.clone()) {
                continue;
            }
            // One broken image must not make others' content look unreferenced, nor stop the rest.
            if let Err(e) = self.reach(&record.target, &mut out) {
                tracing::error!(image = name, error = %e, "image cannot be walked");
            }
        }
        out
    }

    fn reach(&self, target: &Descriptor, out: &mut HashSet<String>) -> Result<()> {
        self.each(target, 0, &mut |d, is_index| {
            out.insert(d.digest.clone());
            if is_index {
                return Ok(());
            }
            if let Some(record) = self.0.manifest_record(&d.digest) {
                out.insert(record.config.to_string());
                out.extend(record.layers.iter().map(|l| l.digest.to_string()));
                return Ok(());
            }
            let digest = digest_of(d)?;
            if self.0.inner.content.size_of(&digest)?.is_some() {
                out.extend(self.children(&digest, d)?.into_iter().map(|c| c.digest));
            }
            Ok(())
        })
    }
}

/// The best manifest for a platform among those that are here. `wanted` exactly, or what the host runs.
pub(crate) fn best_of<'a>(all: &'a [ManifestAt], wanted: Option<&Platform>) -> Option<&'a ManifestAt> {
    let host = platform::host();
    let rank = |have: &Platform| match wanted {
        Some(w) => platform::is_exact(w, have).then_some(0),
        None => platform::rank(&host, have),
    };
    all.iter()
        .filter(|m| m.record.is_some() && !m.is_attestation())
        .filter_map(|m| Some((rank(&m.platform()?)?, m)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, m)| m)
}
