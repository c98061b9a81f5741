//! Which images an archive holds, and their way into the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use archive::Compression;
use id::{Digest, Reference};
use oci::image::{Descriptor, Layout, Manifest, media_type};
use serde::Deserialize;

use super::members::Members;
use crate::incoming::{Checked, Incoming};
use crate::record::{dangling_name, digest_of, size_of};
use crate::unpack::Unpacked;
use crate::{Error, Load, Loaded, Result, Store, document, platform};

const NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Brings the images of an archive into the store.
pub(super) fn bring_in(store: &Store, members: Members, load: &Load) -> Result<Vec<Loaded>> {
    let mut loader = Loader {
        store,
        members,
        load,
        incoming: Incoming::new(store),
        seen: HashSet::new(),
        missing: None,
        added: BTreeMap::new(),
    };
    let result = loader.run();
    let Loader { incoming, added, .. } = loader;
    let result = result.and_then(|loaded| incoming.commit().map(|()| loaded));
    if result.is_err() {
        // Nothing refers to what was published for the failed load.
        incoming.undo(added)?;
    }
    result
}

struct Loader<'a> {
    store: &'a Store,
    members: Members,
    load: &'a Load,
    incoming: Incoming<'a>,
    seen: HashSet<Digest>,
    /// Something that the target at hand lacks.
    missing: Option<Digest>,
    /// Blobs published by this load.
    added: BTreeMap<String, Descriptor>,
}

impl Loader<'_> {
    fn run(&mut self) -> Result<Vec<Loaded>> {
        let targets = if self.members.get("oci-layout").is_some() { self.oci_layout()? } else { self.docker()? };
        let mut out: Vec<Loaded> = Vec::new();
        let mut provides = false;
        for (name, target) in targets {
            self.missing = None;
            let whole = self.target(&target, 0)?;
            provides |= whole;
            if let (false, Some(missing)) = (whole || !self.load.platforms.is_empty(), &self.missing) {
                return Err(Error::InvalidArchive(format!("content digest {missing}: not found")));
            }
            let id = digest_of(&target)?;
            let shown = name.as_ref().map(Reference::familiar);
            let name = name.map_or_else(|| dangling_name(&target.digest), |n| n.to_string());
            self.incoming.name(name, target);
            let loaded = Loaded { id, name: shown };
            if !out.contains(&loaded) {
                out.push(loaded);
            }
        }
        if !provides && !self.load.platforms.is_empty() {
            let names: Vec<String> = self.load.platforms.iter().map(platform::format).collect();
            return Err(Error::NotFoundIn(format!(
                "no images providing the requested platform(s) found: [{}]",
                names.join(" ")
            )));
        }
        Ok(out)
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T> {
        let bytes = self
            .members
            .small(name)
            .ok_or_else(|| Error::InvalidArchive(format!("missing {name} in OCI layout 1.0.0")))?;
        serde_json::from_slice(bytes).map_err(|e| Error::InvalidArchive(format!("untar {name} \"{name}\": {e}")))
    }

    fn oci_layout(&self) -> Result<Vec<(Option<Reference>, Descriptor)>> {
        let layout: Layout = self.json("oci-layout")?;
        if layout.image_layout_version != "1.0.0" {
            let version = layout.image_layout_version;
            return Err(Error::InvalidArchive(format!("unsupported OCI version {version}")));
        }
        let Some(bytes) = self.members.small("index.json") else {
            return Err(Error::InvalidArchive("missing index.json in OCI layout 1.0.0".to_owned()));
        };
        let index = document::index(&content::Hasher::digest(bytes), media_type::OCI_INDEX, bytes)?;
        let named = index.manifests.into_iter().filter(|d| document::attestation_subject(d).is_none()).map(|d| {
            let name = d.annotations.get(NAME).or_else(|| d.annotations.get(REF_NAME));
            let name = name.and_then(|n| Reference::parse_normalized(n).ok()).map(Reference::or_latest);
            (name, d)
        });
        Ok(named.collect())
    }

    /// `docker save`'s own format: manifests are made here (as containerd's importer makes them, so that ids agree).
    fn docker(&mut self) -> Result<Vec<(Option<Reference>, Descriptor)>> {
        if self.members.get("manifest.json").is_none() {
            return Err(Error::InvalidArchive("unrecognized image format".to_owned()));
        }
        let entries: Vec<DockerEntry> = self.json("manifest.json")?;
        if let Some((name, to)) = self.members.broken_link() {
            let text = format!("no target for symlink layer from \"{name}\" to \"{to}\"");
            return Err(Error::InvalidArchive(text));
        }
        let compressed = self.compressed_blobs()?;
        let mut out = Vec::new();
        for entry in entries {
            let target = self.docker_manifest(&entry, &compressed)?;
            let tags = entry.repo_tags.unwrap_or_default();
            if tags.is_empty() {
                out.push((None, target.clone()));
            }
            for tag in tags {
                let name = Reference::parse_normalized(&tag)
                    .map_err(|e| Error::InvalidArchive(format!("normalize image ref \"{tag}\": {e}")))?
                    .or_latest();
                let mut target = target.clone();
                let tag = name.tag().map_or_else(|| name.to_string(), str::to_owned);
                target.annotations.insert(NAME.to_owned(), name.to_string());
                target.annotations.insert(REF_NAME.to_owned(), tag);
                out.push((Some(name), target));
            }
        }
        Ok(out)
    }

    fn docker_manifest(&mut self, entry: &DockerEntry, compressed: &Compressed) -> Result<Descriptor> {
        let missing = |what: &str, name: &str| Error::InvalidArchive(format!("{what} \"{name}\" not found"));
        let (config, size, _) =
            self.members.find(&entry.config).ok_or_else(|| missing("image config", &entry.config))?;
        let mut layers = Vec::new();
        for name in entry.layers.iter().flatten() {
            let (digest, size, compression) = self.members.find(name).ok_or_else(|| {
                Error::InvalidArchive(format!("failed to resolve layers: layer \"{name}\" not found"))
            })?;
            let plain = compression == Compression::None;
            layers.push(match compressed.get(&digest) {
                Some(known) => known.clone(),
                None => descriptor(
                    if plain { media_type::DOCKER_LAYER } else { media_type::DOCKER_LAYER_GZIP },
                    &digest,
                    size,
                ),
            });
        }
        let bytes = self.document(&config)?.ok_or_else(|| missing("image config", &entry.config))?;
        let doc = document::image(&config, &bytes)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::DOCKER_MANIFEST.to_owned()),
            config: descriptor(media_type::DOCKER_CONFIG, &config, size),
            layers,
            ..Manifest::default()
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|e| Error::InvalidArchive(e.to_string()))?;
        let digest = content::Hasher::digest(&bytes);
        let mut target = descriptor(media_type::DOCKER_MANIFEST, &digest, bytes.len() as u64);
        if !doc.os.is_empty() {
            target.platform = Some(platform::of_document(&doc));
        }
        self.incoming.document(digest, bytes);
        Ok(target)
    }

    /// Blobs in the store that are the compressed form of something: a layer that comes plain is then that blob.
    fn compressed_blobs(&self) -> Result<Compressed> {
        let records = self.store.manifest_records();
        let layers = records.values().flat_map(|r| &r.layers).filter(|l| l.digest != l.diff_id);
        Ok(layers
            .map(|l| {
                let kind = if l.media_type == media_type::DOCKER_LAYER {
                    media_type::DOCKER_LAYER
                } else {
                    media_type::DOCKER_LAYER_GZIP
                };
                let known = descriptor(kind, &l.digest, l.size);
                (l.diff_id.clone(), known)
            })
            .collect())
    }

    fn document(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.incoming.get(digest) {
            return Ok(Some(bytes.to_vec()));
        }
        self.members.document(self.store, digest, document::MAX_MANIFEST)
    }

    /// Takes in a target and what belongs to it. True if a wanted platform's image is whole.
    fn target(&mut self, target: &Descriptor, nesting: usize) -> Result<bool> {
        let digest = digest_of(target)?;
        let missing = || Error::InvalidArchive(format!("content digest {digest}: not found"));
        let Some(bytes) = self.document(&digest)? else {
            // Variants of an index may be missing.
            if nesting == 0 {
                return Err(missing());
            }
            self.missing = Some(digest);
            return Ok(false);
        };
        if bytes.len() as u64 != size_of(target) {
            let (want, got) = (size_of(target), bytes.len() as u64);
            return Err(content::Error::Size { want, got }.into());
        }
        if media_type::is_index(&target.media_type) {
            if nesting > 3 {
                let why = "nested too deep".to_owned();
                return Err(Error::InvalidDocument { what: "index", digest, why });
            }
            let index = document::index(&digest, &target.media_type, &bytes)?;
            self.incoming.document(digest, bytes);
            let mut whole = false;
            for child in &index.manifests {
                if self.is_wanted(child) {
                    whole |= self.target(child, nesting + 1)?;
                }
            }
            return Ok(whole);
        }
        let manifest = document::manifest(&digest, &target.media_type, &bytes)?;
        self.manifest(target, digest, manifest, bytes, nesting)
    }

    fn is_wanted(&self, d: &Descriptor) -> bool {
        match &d.platform {
            Some(p) if !self.load.platforms.is_empty() && document::attestation_subject(d).is_none() => {
                self.load.platforms.iter().any(|w| platform::is_exact(w, p))
            }
            _ => true,
        }
    }

    fn manifest(
        &mut self,
        target: &Descriptor,
        digest: Digest,
        manifest: Manifest,
        bytes: Vec<u8>,
        nesting: usize,
    ) -> Result<bool> {
        let mut blobs = vec![&manifest.config];
        blobs.extend(&manifest.layers);
        for blob in blobs {
            let id = digest_of(blob)?;
            match self.members.size(self.store, &id)? {
                Some(size) if size == size_of(blob) => {}
                Some(got) => return Err(content::Error::Size { want: size_of(blob), got }.into()),
                None if nesting > 0 => {
                    self.missing = Some(id);
                    return Ok(false);
                }
                None => return Err(Error::InvalidArchive(format!("content digest {id}: not found"))),
            }
        }
        let size = bytes.len() as u64;
        self.incoming.document(digest.clone(), bytes);
        if !self.seen.insert(digest.clone()) {
            return Ok(true);
        }
        if !document::is_image(&manifest) || document::attestation_subject(target).is_some() {
            // Attestations and artifacts: kept, never unpacked.
            for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
                self.publish(blob)?;
            }
            return Ok(false);
        }
        let config = self.document(&digest_of(&manifest.config)?)?.unwrap_or_default();
        let checked = Checked::new(digest, manifest, &config)?;
        self.incoming.pin_manifest(&checked);
        let own = target.platform.clone().unwrap_or_else(|| platform::of_document(&checked.document));
        let unpack = match self.load.platforms.as_slice() {
            [] => platform::rank(&platform::host(), &own).is_some(),
            wanted => wanted.iter().any(|w| platform::is_exact(w, &own)),
        };
        self.publish(&checked.manifest.config)?;
        let mut fresh: HashMap<usize, Result<Unpacked>> = HashMap::new();
        for (i, layer) in checked.manifest.layers.iter().enumerate() {
            if let Some(unpacked) = self.publish(layer)? {
                fresh.insert(i, unpacked);
            }
        }
        self.incoming.manifest(&checked, size, unpack, |i| fresh.remove(&i))?;
        Ok(self.load.platforms.is_empty() || unpack)
    }

    fn publish(&mut self, blob: &Descriptor) -> Result<Option<Result<Unpacked>>> {
        let digest = digest_of(blob)?;
        self.incoming.pin([digest.clone()]);
        if self.store.inner.content.size_of(&digest)?.is_none() {
            self.added.insert(blob.digest.clone(), blob.clone());
        }
        self.members.publish(self.store, &digest)
    }
}

/// Uncompressed digest → the compressed blob.
type Compressed = HashMap<Digest, Descriptor>;

pub(crate) fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        ..Descriptor::default()
    }
}
