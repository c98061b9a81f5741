use bytes::Bytes;
use id::{Digest, Reference};
use oci::image::Descriptor;

use crate::{BlobStream, Error};

/// The largest manifest that is accepted (containerd's limit).
pub const MANIFEST_MAX: u64 = 4 << 20;

/// A name that was resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the name means now: media type, digest, size.
    pub descriptor: Descriptor,
    /// The document itself, if it came along.
    pub bytes: Option<Bytes>,
    /// Who answered: the registry or a mirror.
    pub host: String,
}

/// One repository of a registry, with the tokens for it. Cheap to clone; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Repository {}

impl Repository {
    /// The name it was made for.
    pub fn reference(&self) -> &Reference {
        unreachable!()
    }

    /// Looks the name up: by its digest if it has one, else by its tag (`latest` if it has none).
    pub async fn resolve(&self) -> Result<Resolved, Error> {
        Err(Error::NotFound { reference: String::new() })
    }

    /// Fetches a manifest or index; its size and digest are checked.
    pub async fn manifest(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        Err(Error::NotFound { reference: descriptor.digest.clone() })
    }

    /// Begins to fetch a blob from byte `offset` on. The caller checks the digest.
    pub async fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobStream, Error> {
        let _ = offset;
        Err(Error::NotFound { reference: descriptor.digest.clone() })
    }

    /// All tags of the repository.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Manifests that refer to `subject` (referrers API, or its tag scheme where the registry has none).
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let _ = (subject, artifact_type);
        Ok(Vec::new())
    }
}
