//! `docker import`: a root file system becomes an image of one layer.

use std::collections::BTreeMap;
use std::io::BufRead;

use archive::{Compression, Peeked};
use id::Digest;
use oci::image::{Descriptor, History, Image as ImageDocument, ImageConfig, Manifest, Platform, RootFs, media_type};
use tokio::io::AsyncRead;

use crate::changes::apply_changes;
use crate::incoming::{Checked, Incoming};
use crate::load::{descriptor, with_blocking_reader};
use crate::pipe::Tee;
use crate::record::dangling_name;
use crate::unpack::unpack;
use crate::{Archives, Error, Import, Result, Store, platform};

impl Archives {
    /// Makes an image of one layer from a root file system tar (plain, gzip, zstd; kept as it comes).
    ///
    /// # Errors
    /// A broken archive, a wrong change, a full disk.
    pub async fn import<R>(&self, input: R, import: Import) -> Result<Digest>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let mut config = ImageConfig::default();
        apply_changes(&mut config, &import.changes)?;
        let this = self.clone();
        let result = with_blocking_reader(input, move |reader| this.import_from(reader, import, config)).await;
        sys::process::trim_heap();
        result
    }

    fn import_from(&self, input: &mut (dyn BufRead + Send), import: Import, config: ImageConfig) -> Result<Digest> {
        let mut blob = self.store.inner.content.ingest_new()?;
        let peeked = Peeked::new(input, 6).map_err(archive::Error::from_input)?;
        let compression = Compression::detect(peeked.head());
        let mut disk_error = None;
        let tee = Tee::new(peeked, |bytes: &[u8]| {
            blob.write(bytes).map_err(|e| {
                disk_error = Some(e);
                std::io::Error::from(std::io::ErrorKind::WriteZero)
            })
        });
        let unpacked = unpack(&self.store.inner.snapshots, tee, Vec::new());
        if let Some(e) = disk_error {
            return Err(e.into());
        }
        let unpacked = unpacked?;
        let (layer, size) = blob.commit()?;
        let kind = match compression {
            Compression::None => media_type::OCI_LAYER,
            Compression::Gzip => media_type::OCI_LAYER_GZIP,
            Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        };
        let layer = descriptor(kind, &layer, size);
        let document = document(&import, config, unpacked.diff_id.clone());
        let mut fresh = Some(unpacked);
        let name = import.reference.map(|r| r.or_latest().to_string());
        let new = NewImage { name, document, layers: vec![layer], ..NewImage::default() };
        new.add(&self.store, |_| fresh.take().map(Ok))
    }
}

/// An image to be made of what is in the content store.
#[derive(Default)]
pub(crate) struct NewImage {
    /// Normalized; `None` leaves it without a name.
    pub(crate) name: Option<String>,
    pub(crate) document: ImageDocument,
    /// Lowest first.
    pub(crate) layers: Vec<Descriptor>,
    /// Labels of the store.
    pub(crate) labels: BTreeMap<String, String>,
    /// How many of the layers belong to another image, too.
    pub(crate) kept: usize,
}

impl NewImage {
    /// Writes document and manifest for layers that are in the content store, and names the image.
    pub(crate) fn add(
        self,
        store: &Store,
        fresh: impl FnMut(usize) -> Option<Result<crate::unpack::Unpacked>>,
    ) -> Result<Digest> {
        let Self { name, document, layers, labels, kept } = self;
        let json = |what, e: serde_json::Error| Error::InvalidDocument {
            what,
            digest: Digest::sha256([0; 32]),
            why: e.to_string(),
        };
        let config = serde_json::to_vec(&document).map_err(|e| json("image config", e))?;
        let config_digest = content::Hasher::digest(&config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            config: descriptor(media_type::OCI_CONFIG, &config_digest, config.len() as u64),
            layers,
            ..Manifest::default()
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|e| json("manifest", e))?;
        let digest = content::Hasher::digest(&bytes);
        let target = descriptor(media_type::OCI_MANIFEST, &digest, bytes.len() as u64);
        let checked = Checked::new(digest.clone(), manifest, &config)?;
        let own = checked.manifest.layers.iter().skip(kept);
        let added = own.map(|l| (l.digest.clone(), l.clone())).collect();
        let mut incoming = Incoming::new(store);
        incoming.pin_manifest(&checked);
        let size = bytes.len() as u64;
        incoming.document(config_digest, config);
        incoming.document(digest.clone(), bytes);
        incoming.labelled_name(name.unwrap_or_else(|| dangling_name(digest.as_str())), target, labels);
        let done = incoming.manifest(&checked, size, true, fresh).and_then(|()| incoming.commit());
        if done.is_err() {
            incoming.undo(added)?;
        }
        done.map(|()| digest)
    }
}

fn document(import: &Import, config: ImageConfig, diff_id: Digest) -> ImageDocument {
    let now = jiff::Timestamp::now().to_string();
    let Platform { architecture, os, os_version, os_features, variant } =
        import.platform.clone().unwrap_or_else(platform::host);
    ImageDocument {
        created: Some(now.clone()),
        architecture,
        os,
        os_version,
        os_features,
        variant,
        config: Some(config),
        rootfs: RootFs { r#type: "layers".to_owned(), diff_ids: vec![diff_id.to_string()] },
        history: vec![History {
            created: Some(now),
            comment: (!import.message.is_empty()).then(|| import.message.clone()),
            ..History::default()
        }],
        ..ImageDocument::default()
    }
}
