//! Images whose names were lost with the metadata store: what is in the content store is found again by reading it.

use std::collections::{BTreeMap, BTreeSet};

use id::Digest;
use oci::image::{Descriptor, media_type};
use serde::Deserialize;

use super::{Check, FaultKind, Repair, is_document, keys_of};
use crate::incoming::Checked;
use crate::load::descriptor;
use crate::record::{ManifestRecord, dangling_name, digest_of};
use crate::{Result, Store, document};

/// As much of a document as tells what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
}

/// Gives every image in the content store that no name leads to a name of its own (without a tag), if there is no
/// name at all: else such content is what an interrupted pull left.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let store = check.store;
    if store.names().iter().next().is_some() {
        return Ok(());
    }
    let mut found: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    let mut inner: BTreeSet<String> = BTreeSet::new();
    for (digest, size, _) in store.inner.content.list()? {
        if size > document::MAX_MANIFEST {
            continue;
        }
        let Ok(bytes) = store.inner.content.read(&digest, document::MAX_MANIFEST) else { continue };
        let Ok(head) = serde_json::from_slice::<Head>(&bytes) else { continue };
        let kind = match (&head.media_type, &head.manifests, &head.layers, &head.config) {
            (Some(kind), ..) if is_document(kind) => kind.clone(),
            (None, Some(_), None, None) => media_type::OCI_INDEX.to_owned(),
            (None, None, Some(_), Some(_)) => media_type::OCI_MANIFEST.to_owned(),
            _ => continue,
        };
        inner.extend(head.manifests.into_iter().flatten().map(|d| d.digest));
        found.insert(digest.clone(), descriptor(&kind, &digest, size));
    }
    for (digest, target) in &found {
        if let Ok(Some((digest, record))) = record_of(store, target) {
            store.change(|_, change| {
                change.put_manifest(digest, record);
                Ok(())
            })?;
        }
        if inner.contains(digest.as_str()) {
            continue;
        }
        store.change(|names, change| {
            change.set_name(names, &dangling_name(digest.as_str()), target, BTreeMap::new());
            Ok(())
        })?;
        check.fault(FaultKind::Record, digest.as_str(), "image has no name", Some(Repair::Rebuilt));
    }
    Ok(())
}

/// The record of a manifest whose content is here; `None` if it is not, or is no image.
pub(super) fn record_of(store: &Store, d: &Descriptor) -> Result<Option<(Digest, ManifestRecord)>> {
    if !media_type::is_manifest(&d.media_type) {
        return Ok(None);
    }
    let digest = digest_of(d)?;
    let Ok(bytes) = store.inner.content.read(&digest, document::MAX_MANIFEST) else { return Ok(None) };
    let Ok(manifest) = document::manifest(&digest, &d.media_type, &bytes) else { return Ok(None) };
    if !document::is_image(&manifest) {
        return Ok(None);
    }
    let Ok(config) = store.inner.content.read(&digest_of(&manifest.config)?, document::MAX_CONFIG) else {
        return Ok(None);
    };
    let Ok(checked) = Checked::new(digest.clone(), manifest, &config) else { return Ok(None) };
    let mut record = checked.record(bytes.len() as u64);
    (record.keys, record.unpacked) = keys_of(store, &checked.diff_ids)?;
    Ok(Some((digest, record)))
}
