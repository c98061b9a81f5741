//! In-toto statements that come with an image (BuildKit's provenance and SBOM).

use id::Digest;
use oci::image::{Descriptor, Platform};
use serde_json::value::RawValue;

use crate::record::{digest_of, size_of};
use crate::walk::{Walk, best_of};
use crate::{Error, Result, Store, document, platform};

/// Media type of a statement.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Annotation with the kind of a statement's predicate.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// Largest statement that is shown, in bytes.
const MAX_STATEMENT: u64 = 64 << 20;

/// One statement about an image.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// The blob.
    pub descriptor: Descriptor,
    /// URI of the predicate's kind.
    pub predicate_type: String,
    /// The statement as it was written, if asked for.
    pub statement: Option<Box<RawValue>>,
}

/// Which statements are wanted.
#[derive(Debug, Clone, Default)]
pub struct AttestationQuery {
    /// About the image for this platform; the host's if `None`.
    pub platform: Option<Platform>,
    /// Only of these kinds; all if empty.
    pub types: Vec<String>,
    /// With their text.
    pub statement: bool,
}

impl Store {
    /// The statements about one platform's image, in the order of its attestation manifests.
    ///
    /// # Errors
    /// As [`Self::resolve`]; a statement that is not here or not JSON.
    pub fn attestations(&self, reference: &str, query: &AttestationQuery) -> Result<Vec<Attestation>> {
        let names = self.names();
        let (_, record) = names.resolve(reference)?;
        let all = Walk(self).manifests_of(&record.target)?;
        let Some(image) = best_of(&all, query.platform.as_ref()) else {
            let wanted = query.platform.as_ref().map(platform::format);
            return Err(Error::PlatformNotFound { reference: reference.to_owned(), wanted });
        };
        let about = digest_of(&image.descriptor)?;
        let mut out = Vec::new();
        for manifest in all.iter().filter(|m| document::attestation_subject(&m.descriptor).as_ref() == Some(&about)) {
            let digest = digest_of(&manifest.descriptor)?;
            let bytes = match self.inner.content.read(&digest, document::MAX_MANIFEST) {
                // An attestation that was not pulled.
                Err(content::Error::NotFound(_)) => continue,
                other => other?,
            };
            let parsed = document::manifest(&digest, &manifest.descriptor.media_type, &bytes)?;
            for layer in parsed.layers.into_iter().filter(|l| l.media_type == IN_TOTO) {
                let Some(predicate_type) = layer.annotations.get(PREDICATE_TYPE).cloned() else { continue };
                if !query.types.is_empty() && !query.types.contains(&predicate_type) {
                    continue;
                }
                let statement = query.statement.then(|| self.statement(&layer)).transpose()?;
                out.push(Attestation { descriptor: layer, predicate_type, statement });
            }
        }
        Ok(out)
    }

    fn statement(&self, layer: &Descriptor) -> Result<Box<RawValue>> {
        let digest: Digest = digest_of(layer)?;
        let bytes = self.inner.content.read(&digest, MAX_STATEMENT.min(size_of(layer).max(1)))?;
        serde_json::from_slice(&bytes).map_err(|e| Error::InvalidDocument {
            what: "attestation",
            digest,
            why: e.to_string(),
        })
    }
}
