//! What an operation brings into the store, put there in the order that a power loss cannot hurt: blobs and layers
//! on disk, then one record commit.

use std::collections::BTreeMap;

use id::Digest;
use oci::image::{Descriptor, Image as ImageDocument, Manifest};

use crate::query::unix_nanos;
use crate::record::{LayerRecord, ManifestRecord, digest_of, size_of};
use crate::store::Pin;
use crate::sweep::Sweeper;
use crate::unpack::{Assembly, Unpacked};
use crate::{Error, Result, Store, document, platform};

/// Labels of the store on a name.
type Labels = BTreeMap<String, String>;

/// Documents and records of one operation.
pub(crate) struct Incoming<'a> {
    store: &'a Store,
    pins: Vec<Pin>,
    documents: BTreeMap<Digest, Vec<u8>>,
    records: BTreeMap<Digest, ManifestRecord>,
    names: Vec<(String, Descriptor, Option<Labels>)>,
    /// Target and repository that it comes from.
    source: Option<(Digest, String)>,
}

/// A manifest with its document, checked against each other.
pub(crate) struct Checked {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) config: Digest,
    pub(crate) document: ImageDocument,
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) blobs: Vec<Digest>,
}

impl Checked {
    /// Checks that document and manifest belong together.
    pub(crate) fn new(digest: Digest, manifest: Manifest, config_bytes: &[u8]) -> Result<Self> {
        let config = digest_of(&manifest.config)?;
        let document = document::image(&config, config_bytes)?;
        let diff_ids = document::diff_ids(&config, &document, manifest.layers.len())?;
        let blobs = manifest.layers.iter().map(digest_of).collect::<Result<Vec<_>>>()?;
        Ok(Self { digest, manifest, config, document, diff_ids, blobs })
    }

    pub(crate) fn record(&self, manifest_size: u64) -> ManifestRecord {
        let layers: Vec<LayerRecord> = self
            .manifest
            .layers
            .iter()
            .zip(self.blobs.iter().zip(&self.diff_ids))
            .map(|(l, (digest, diff_id))| LayerRecord {
                digest: digest.clone(),
                size: size_of(l),
                media_type: l.media_type.clone(),
                diff_id: diff_id.clone(),
            })
            .collect();
        // A layer that the image has twice is stored once.
        let distinct: BTreeMap<&Digest, u64> = layers.iter().map(|l| (&l.digest, l.size)).collect();
        let content = manifest_size + size_of(&self.manifest.config) + distinct.values().sum::<u64>();
        ManifestRecord {
            config: self.config.clone(),
            platform: platform::of_document(&self.document),
            created: self.document.created.as_deref().and_then(unix_nanos),
            labels: self.document.config.as_ref().map(|c| c.labels.clone()).unwrap_or_default(),
            content,
            layers,
            keys: Vec::new(),
            unpacked: 0,
        }
    }
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self {
            store,
            pins: Vec::new(),
            documents: BTreeMap::new(),
            records: BTreeMap::new(),
            names: Vec::new(),
            source: None,
        }
    }

    /// Keeps content from being swept until this is dropped.
    pub(crate) fn pin(&mut self, digests: impl IntoIterator<Item = Digest>) {
        self.pins.push(self.store.pin(digests));
    }

    /// Pins everything of a manifest: blobs, and layers under either key.
    pub(crate) fn pin_manifest(&mut self, c: &Checked) {
        let chains = (1..=c.diff_ids.len()).filter_map(|n| crate::rootfs::chain_id(&c.diff_ids[..n]));
        let own = [c.digest.clone(), c.config.clone()];
        let all: Vec<Digest> = own.into_iter().chain(c.blobs.clone()).chain(c.diff_ids.clone()).chain(chains).collect();
        self.pin(all);
    }

    /// A document to be stored (index, manifest, configuration).
    pub(crate) fn document(&mut self, digest: Digest, bytes: Vec<u8>) {
        self.pin([digest.clone()]);
        self.documents.insert(digest, bytes);
    }

    /// A document given before.
    pub(crate) fn get(&self, digest: &Digest) -> Option<&[u8]> {
        self.documents.get(digest).map(Vec::as_slice)
    }

    /// A manifest whose layer blobs are in the content store already: unpacks what is missing if `unpack`, taking
    /// over what was unpacked on the way, and makes the layers visible.
    pub(crate) fn manifest(
        &mut self,
        c: &Checked,
        manifest_size: u64,
        unpack: bool,
        fresh: impl FnMut(usize) -> Option<Result<Unpacked>>,
    ) -> Result<()> {
        let mut record = c.record(manifest_size);
        if unpack && !c.diff_ids.is_empty() {
            let mut fresh = fresh;
            let mut assembly = Assembly::new(self.store, &c.diff_ids, &c.blobs);
            for (i, diff) in c.diff_ids.iter().enumerate() {
                let extract = |e| Error::Extract { layer: diff.clone(), source: Box::new(e) };
                if let Some(unpacked) = fresh(i) {
                    assembly.offer(i, unpacked.map_err(extract)?).map_err(extract)?;
                }
            }
            assembly.complete()?;
            (record.keys, record.unpacked) = assembly.publish()?;
        }
        self.records.insert(c.digest.clone(), record);
        Ok(())
    }

    /// A name to be set when everything else is in place.
    pub(crate) fn name(&mut self, name: String, target: Descriptor) {
        self.names.push((name, target, None));
    }

    /// Where the image comes from.
    pub(crate) fn source(&mut self, target: Digest, repository: String) {
        self.source = Some((target, repository));
    }

    /// [`Self::name`] with the store's own labels.
    pub(crate) fn labelled_name(&mut self, name: String, target: Descriptor, labels: Labels) {
        self.names.push((name, target, Some(labels)));
    }

    /// Stores documents, then commits records and names in one step.
    pub(crate) fn commit(&self) -> Result<()> {
        self.store.inner.content.put_all(&self.documents)?;
        let Self { records, names, source, .. } = self;
        self.store.change(|current, change| {
            for (digest, record) in records {
                change.put_manifest(digest.clone(), record.clone());
            }
            if let Some((target, repository)) = source {
                self.store.add_source(change, target, repository.clone())?;
            }
            for (name, target, labels) in names {
                let old = || current.get(name).filter(|o| o.target.digest == target.digest);
                let labels = labels.clone().or_else(|| old().map(|o| o.labels.clone()));
                change.set_name(current, name, target, labels.unwrap_or_default());
            }
            Ok(())
        })
    }

    /// Takes back what a failed operation published: these blobs, the documents and the layers, unless somebody
    /// else uses them.
    pub(crate) fn undo(self, mut added: BTreeMap<String, Descriptor>) -> Result<()> {
        let Self { store, pins, documents, records, .. } = self;
        drop(pins);
        for digest in documents.into_keys() {
            let descriptor = Descriptor { digest: digest.to_string(), ..Descriptor::default() };
            added.entry(digest.to_string()).or_insert(descriptor);
        }
        Sweeper(store).blobs(added, records.into_values().flat_map(|r| r.keys).collect())
    }
}
