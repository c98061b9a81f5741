//! Looks whether everything in the store is what it should be, and mends what can be mended.
//!
//! Blobs are read through their hash. Unpacked layers are unpacked anew from their blob and compared, file by file.
//! What is bad goes to a `quarantine` directory beside its place (it is never deleted here): a blob then counts as
//! missing, so that the next pull fetches it; a layer is replaced by the fresh one.

mod adopt;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use id::Digest;
use oci::image::media_type;
use snapshot::LayerInfo;

use crate::names::familiar;
use crate::record::{ManifestRecord, digest_of, is_dangling};
use crate::unpack::{layer_key, unpack};
use crate::walk::Walk;
use crate::{Result, Store};

/// What kind of thing is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A record of the metadata store.
    Record,
    /// A blob of the content store.
    Blob,
    /// An unpacked layer.
    Layer,
    /// A container's read-write layer.
    Container,
}

/// What was done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Moved out of the way; a pull of the images brings it back.
    Quarantined,
    /// Made anew from what is here.
    Rebuilt,
    /// Taken out of the records.
    Removed,
}

/// Something that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is.
    pub kind: FaultKind,
    /// Its digest, key or name.
    pub name: String,
    /// What is wrong.
    pub why: String,
    /// The images that need it (familiar names, or ids).
    pub images: Vec<String>,
    /// What was done; `None` if nothing was, or could be.
    pub repair: Option<Repair>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Images looked at.
    pub images: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unpacked layers compared with their blobs.
    pub layers: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Checks the whole store; mends with `repair`. Takes as long as reading everything and unpacking every layer does.
///
/// # Errors
/// If the records or directories cannot be read at all; single faults are in the report.
pub fn check(store: &Store, repair: bool) -> Result<CheckReport> {
    let mut check =
        Check { store, repair, report: CheckReport::default(), users: HashMap::new(), bad: BTreeSet::new() };
    check.records()?;
    if repair {
        adopt::run(&mut check)?;
    }
    check.images()?;
    check.blobs()?;
    check.layers()?;
    check.containers()?;
    Ok(check.report)
}

struct Check<'a> {
    store: &'a Store,
    repair: bool,
    report: CheckReport,
    /// Digest of a blob, or key of a layer → images that need it.
    users: HashMap<String, BTreeSet<String>>,
    /// Blobs that are missing or damaged.
    bad: BTreeSet<Digest>,
}

impl Check<'_> {
    fn fault(&mut self, kind: FaultKind, name: &str, why: impl ToString, repair: Option<Repair>) {
        let images = self.users.get(name).into_iter().flatten().cloned().collect();
        self.report.faults.push(Fault { kind, name: name.to_owned(), why: why.to_string(), images, repair });
    }

    /// Records that cannot be read, and manifests that lost theirs.
    fn records(&mut self) -> Result<()> {
        for (name, why, is_name) in self.store.damaged_records()? {
            let repair = self.repair.then_some(Repair::Removed);
            if self.repair {
                self.store.change(|_, change| {
                    if is_name {
                        change.remove_name(&name);
                    } else if let Ok(digest) = name.parse() {
                        change.remove_manifest(digest);
                    }
                    Ok(())
                })?;
            }
            self.fault(FaultKind::Record, &name, why, repair);
        }
        let names = self.store.names();
        let mut seen = BTreeSet::new();
        for (_, record) in names.iter().filter(|(_, r)| seen.insert(r.target.digest.clone())) {
            // A damaged index is found when the blobs are read.
            let Ok(manifests) = Walk(self.store).manifests_of(&record.target) else { continue };
            for m in manifests.iter().filter(|m| m.record.is_none() && !m.is_attestation()) {
                let Some((digest, rebuilt)) = self.rebuild(m)? else { continue };
                if self.repair {
                    self.store.change(|_, change| {
                        change.put_manifest(digest.clone(), rebuilt);
                        Ok(())
                    })?;
                }
                self.fault(
                    FaultKind::Record,
                    digest.as_str(),
                    "manifest has no record",
                    self.repair.then_some(Repair::Rebuilt),
                );
            }
        }
        Ok(())
    }

    /// The record of a manifest whose content is here; `None` if it is not, or is no image.
    fn rebuild(&self, m: &crate::walk::ManifestAt) -> Result<Option<(Digest, ManifestRecord)>> {
        adopt::record_of(self.store, &m.descriptor)
    }

    /// Who needs what, and what is missing.
    fn images(&mut self) -> Result<()> {
        let names = self.store.names();
        let mut missing: BTreeMap<Digest, &'static str> = BTreeMap::new();
        let mut targets = BTreeSet::new();
        for (name, record) in names.iter() {
            targets.insert(record.target.digest.clone());
            let shown = if is_dangling(name) { record.target.digest.clone() } else { familiar(name, record) };
            let mut need = |what: &str| {
                self.users.entry(what.to_owned()).or_default().insert(shown.clone());
            };
            need(&record.target.digest);
            let target = digest_of(&record.target)?;
            if self.store.inner.content.size_of(&target)?.is_none() {
                missing.insert(target, "content of an image is missing");
            }
            let Ok(manifests) = Walk(self.store).manifests_of(&record.target) else { continue };
            for m in manifests {
                let Some(found) = m.record else { continue };
                need(&m.descriptor.digest);
                need(found.config.as_str());
                found.keys.iter().for_each(|key| need(key));
                let blobs = found.layers.iter().map(|l| &l.digest).chain([&found.config]);
                for digest in blobs.cloned().chain(digest_of(&m.descriptor).ok()) {
                    need(digest.as_str());
                    if self.store.inner.content.size_of(&digest)?.is_none() {
                        missing.insert(digest, "content is missing");
                    }
                }
            }
        }
        self.report.images = targets.len() as u64;
        for (digest, why) in missing {
            self.fault(FaultKind::Blob, digest.as_str(), why, None);
            self.bad.insert(digest);
        }
        Ok(())
    }

    /// Every blob through its hash.
    fn blobs(&mut self) -> Result<()> {
        let content = &self.store.inner.content;
        for (digest, size, _) in content.list()? {
            let why = match content.verify(&digest) {
                Ok(()) => {
                    self.report.blobs += 1;
                    self.report.bytes += size;
                    continue;
                }
                // Removed while we looked.
                Err(content::Error::NotFound(_)) => continue,
                Err(e) => e.to_string(),
            };
            let repair = self.repair.then_some(Repair::Quarantined);
            if self.repair {
                content.quarantine(&digest)?;
            }
            self.fault(FaultKind::Blob, digest.as_str(), why, repair);
            self.bad.insert(digest);
        }
        Ok(())
    }

    /// Every unpacked layer against its blob.
    fn layers(&mut self) -> Result<()> {
        let mut seen = BTreeSet::new();
        let records = self.store.manifest_records();
        for (manifest, record) in records.iter() {
            for i in 0..record.keys.len().min(record.layers.len()) {
                if !seen.insert(record.keys[i].clone()) {
                    continue;
                }
                let blob = &record.layers[i].digest;
                let is_here = self.store.inner.content.size_of(blob)?.is_some();
                let key = record.keys[i].clone();
                if !is_here || self.bad.contains(blob) {
                    // Nothing to compare with; the blob is a fault of its own.
                    if self.store.inner.snapshots.layer(&key)?.is_none() {
                        self.fault(FaultKind::Layer, &key, "layer is missing or its description cannot be read", None);
                    }
                    continue;
                }
                if let Err(e) = self.layer(record, i) {
                    self.fault(FaultKind::Layer, &key, format!("manifest {manifest}: {e}"), None);
                }
            }
        }
        Ok(())
    }

    fn layer(&mut self, record: &ManifestRecord, i: usize) -> Result<()> {
        let store = self.store;
        let snapshots = &store.inner.snapshots;
        let key = &record.keys[i];
        let why = {
            let _using = store.using_layers();
            let blob = store.inner.content.reader(&record.layers[i].digest)?;
            // A layer that leans on what is below it belongs to this chain, and is made over the same lowers.
            let alone = record.layers[i].diff_id.hex() == key;
            let lowers = match alone {
                true => Vec::new(),
                false => (0..i).rev().map(|b| snapshots.open_layer(&record.keys[b])).collect::<Result<_, _>>()?,
            };
            let mut fresh = unpack(snapshots, std::io::BufReader::with_capacity(256 << 10, blob), lowers)?;
            self.report.layers += 1;
            // Over its lowers nothing is missing any more, but it stays fit for this chain only.
            fresh.applied.needs_lower |= !alone;
            let want = tree::digest(fresh.staged.root()?)?;
            let why = match (snapshots.layer(key)?, snapshots.open_layer(key)) {
                (None, _) => "layer is missing or its description cannot be read".to_owned(),
                (Some(_), Err(e)) => e.to_string(),
                (Some(info), Ok(_)) if !describes(info, fresh.info(), snapshots.measure(key)?.1) => {
                    "description of the layer is wrong".to_owned()
                }
                (Some(_), Ok(root)) => match tree::digest(root) {
                    Ok(got) if got == want => return Ok(()),
                    Ok(_) => "files differ from the layer's blob".to_owned(),
                    Err(e) => e.to_string(),
                },
            };
            if self.repair {
                let info = fresh.info();
                snapshots.replace(key, fresh.staged, info)?;
            }
            why
        };
        self.fault(FaultKind::Layer, key, why, self.repair.then_some(Repair::Rebuilt));
        Ok(())
    }

    /// The layers that containers lie on.
    fn containers(&mut self) -> Result<()> {
        let snapshots = &self.store.inner.snapshots;
        for name in snapshots.rw_names()? {
            if let Err(e) = snapshots.rw_mount(&name, None) {
                self.fault(FaultKind::Container, &name, e, None);
            }
        }
        Ok(())
    }
}

/// Whether what is noted about a layer is true. Its bytes are the file system's affair, which may move them about.
fn describes(noted: LayerInfo, fresh: LayerInfo, inodes: u64) -> bool {
    noted == LayerInfo { bytes: noted.bytes, inodes, ..fresh }
}

/// Keys and bytes of the layers of a chain that are all unpacked; empty if one is not.
fn keys_of(store: &Store, diff_ids: &[Digest]) -> Result<(Vec<String>, u64)> {
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for i in 0..diff_ids.len() {
        let Some(key) = layer_key(store, diff_ids, i)? else { return Ok((Vec::new(), 0)) };
        if !keys.contains(&key) {
            bytes += store.inner.snapshots.layer(&key)?.map_or(0, |l| l.bytes);
        }
        keys.push(key);
    }
    Ok((keys, bytes))
}

/// Whether a media type is one of the documents that name other content.
fn is_document(kind: &str) -> bool {
    media_type::is_index(kind) || media_type::is_manifest(kind)
}
