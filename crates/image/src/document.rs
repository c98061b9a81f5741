//! Manifests, indexes and image documents: parsed with budgets, and only as what they say they are
//! (CVE-2021-41190: a document that is both index and manifest).

use id::Digest;
use oci::image::{Descriptor, Image, Index, Manifest, media_type};
use serde::Deserialize;

use crate::{Error, Result};

/// Largest manifest or index in bytes (the distribution specification asks for 4 MiB; containerd takes 8).
pub(crate) const MAX_MANIFEST: u64 = 8 << 20;
/// Largest image document in bytes.
pub(crate) const MAX_CONFIG: u64 = 8 << 20;
/// Most manifests of an index.
const MAX_MANIFESTS: usize = 4096;
/// Most layers of an image.
const MAX_LAYERS: usize = 500;

/// The marks that tell index from manifest.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

fn bad(what: &'static str, digest: &Digest, why: impl ToString) -> Error {
    Error::InvalidDocument { what, digest: digest.clone(), why: why.to_string() }
}

fn shape(what: &'static str, digest: &Digest, declared: &str, bytes: &[u8]) -> Result<Shape> {
    let shape: Shape = serde_json::from_slice(bytes).map_err(|e| bad(what, digest, e))?;
    if shape.media_type.as_deref().is_some_and(|m| !m.is_empty() && m != declared) {
        let own = shape.media_type.as_deref().unwrap_or_default();
        return Err(bad(what, digest, format!("mediaType in {what} should be '{declared}' not '{own}'")));
    }
    Ok(shape)
}

/// Parses an index; `declared` is the media type under which it was found.
pub(crate) fn index(digest: &Digest, declared: &str, bytes: &[u8]) -> Result<Index> {
    let s = shape("index", digest, declared, bytes)?;
    if s.config.is_some() || s.layers.is_some() || s.fs_layers.is_some() {
        return Err(bad("index", digest, "expected index but found manifest"));
    }
    let index: Index = serde_json::from_slice(bytes).map_err(|e| bad("index", digest, e))?;
    if index.manifests.len() > MAX_MANIFESTS {
        return Err(bad("index", digest, format!("more than {MAX_MANIFESTS} manifests")));
    }
    index.manifests.iter().try_for_each(|d| check(digest, d))?;
    Ok(index)
}

/// Parses a manifest; `declared` is the media type under which it was found.
pub(crate) fn manifest(digest: &Digest, declared: &str, bytes: &[u8]) -> Result<Manifest> {
    let s = shape("manifest", digest, declared, bytes)?;
    if s.manifests.is_some() || s.fs_layers.is_some() {
        return Err(bad("manifest", digest, "expected manifest but found index"));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| bad("manifest", digest, e))?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(bad("manifest", digest, format!("more than {MAX_LAYERS} layers")));
    }
    check(digest, &manifest.config)?;
    manifest.layers.iter().try_for_each(|d| check(digest, d))?;
    Ok(manifest)
}

/// Parses an image document.
pub(crate) fn image(digest: &Digest, bytes: &[u8]) -> Result<Image> {
    serde_json::from_slice(bytes).map_err(|e| bad("image config", digest, e))
}

/// The uncompressed digests that a document lists, as many as the manifest has layers.
pub(crate) fn diff_ids(digest: &Digest, doc: &Image, layers: usize) -> Result<Vec<Digest>> {
    if doc.rootfs.diff_ids.len() != layers {
        return Err(bad("image config", digest, "mismatched image rootfs and manifest layers"));
    }
    doc.rootfs.diff_ids.iter().map(|d| d.parse().map_err(|e| bad("image config", digest, e))).collect()
}

/// Whether a manifest is an image (its layers are file system layers), not an artifact.
pub(crate) fn is_image(manifest: &Manifest) -> bool {
    media_type::is_config(&manifest.config.media_type)
        && manifest.layers.iter().all(|l| media_type::is_layer(&l.media_type))
}

fn check(owner: &Digest, d: &Descriptor) -> Result<()> {
    d.digest.parse::<Digest>().map_err(|e| bad("descriptor", owner, format!("{}: {e}", d.digest)))?;
    if d.size < 0 { Err(bad("descriptor", owner, format!("{}: negative size", d.digest))) } else { Ok(()) }
}

/// The annotation that marks an attestation manifest, and what it is about.
pub(crate) fn attestation_subject(d: &Descriptor) -> Option<Digest> {
    let kind = d.annotations.get("vnd.docker.reference.type")?;
    (kind == "attestation-manifest").then_some(())?;
    d.annotations.get("vnd.docker.reference.digest")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::image::media_type::{OCI_INDEX, OCI_MANIFEST};

    fn digest() -> Digest {
        Digest::sha256([0; 32])
    }

    #[test]
    fn mutants_hold_to_the_limits() {
        use testkit::mutate::{self, Random};
        let d = format!("{{\"mediaType\":\"{OCI_MANIFEST}\",\"digest\":\"{}\",\"size\":1}}", digest());
        let seeds = [
            format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{d},\"layers\":[{d},{d}]}}"),
            format!(
                "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{d}],\"annotations\":{{\"a\":\"b\"}}}}"
            ),
            format!(
                "{{\"os\":\"linux\",\"config\":{{\"Env\":[\"A=b\"],\"Labels\":null}},\"rootfs\":{{\"type\":\"layers\",\
                 \"diff_ids\":[\"{}\"]}},\"history\":[{{\"empty_layer\":true}}]}}",
                digest()
            ),
        ];
        // S-39: depth, huge numbers, doubled keys, nulls, bytes that are no text.
        let deep = "[".repeat(100_000);
        let words: [&[u8]; 12] = [
            b"null",
            b"1e999",
            b"-1",
            b"[]",
            b"{}",
            b"\xff",
            b"\"",
            b"\"layers\":[],",
            b"\"manifests\":[],",
            b"\\u0000",
            deep.as_bytes(),
            b"99999999999999999999",
        ];
        let mut random = Random::new(29);
        let (mut taken, mut refused) = (0, 0);
        for n in 0..6000 {
            let mutant = mutate::bytes(&mut random, seeds[n % seeds.len()].as_bytes(), &words);
            let parsed = match n % seeds.len() {
                0 => manifest(&digest(), OCI_MANIFEST, &mutant).map(|m| {
                    assert!(m.layers.len() <= MAX_LAYERS && m.config.size >= 0);
                    assert!(m.layers.iter().chain([&m.config]).all(|d| d.digest.parse::<Digest>().is_ok()));
                }),
                1 => index(&digest(), OCI_INDEX, &mutant).map(|i| {
                    assert!(i.manifests.len() <= MAX_MANIFESTS);
                    assert!(i.manifests.iter().all(|d| d.digest.parse::<Digest>().is_ok()));
                }),
                _ => image(&digest(), &mutant).map(|i| {
                    let _ = diff_ids(&digest(), &i, 1).map(|ids| assert_eq!(ids.len(), 1));
                }),
            };
            if parsed.is_ok() { taken += 1 } else { refused += 1 }
        }
        assert!(taken > 100 && refused > 1000, "{taken} taken, {refused} refused");
    }

    #[test]
    fn a_document_is_only_what_it_says() {
        let d = format!("{{\"mediaType\":\"x\",\"digest\":\"{}\",\"size\":1}}", digest());
        let layers = format!("{{\"schemaVersion\":2,\"config\":{d},\"layers\":[{d}]}}");
        let list = format!("{{\"schemaVersion\":2,\"manifests\":[{d}]}}");
        let both = format!("{{\"schemaVersion\":2,\"config\":{d},\"layers\":[{d}],\"manifests\":[{d}]}}");
        let lying = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"config\":{d},\"layers\":[{d}]}}");
        assert!(manifest(&digest(), OCI_MANIFEST, layers.as_bytes()).is_ok());
        assert!(index(&digest(), OCI_INDEX, list.as_bytes()).is_ok());
        for bad in [&list, &both, &lying] {
            assert!(manifest(&digest(), OCI_MANIFEST, bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in [&layers, &both, &lying] {
            assert!(index(&digest(), OCI_INDEX, bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(manifest(&digest(), OCI_MANIFEST, layers.replace("sha256:0", "sha256:zz").as_bytes()).is_err());
        assert!(manifest(&digest(), OCI_MANIFEST, layers.replace(":1}", ":-1}").as_bytes()).is_err());
    }
}
