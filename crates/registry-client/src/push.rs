use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use id::Digest;
use oci::image::Descriptor;
use tokio::io::AsyncRead;

use crate::{Error, Repository};

/// Gives a blob's bytes from an offset on, anew for each attempt to send them.
pub trait BlobSource: Send + Sync {
    /// Opens the blob at byte `offset`.
    fn open(
        &self,
        offset: u64,
    ) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn AsyncRead + Send + Unpin>>> + Send + '_>>;
}

/// How a blob came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// It was there.
    Existed,
    /// It was taken from another repository.
    FromOther,
    /// It has to be uploaded.
    Not,
}

impl Repository {
    /// Whether the registry has this blob in this repository; else asks it to take it from `from` (a path on the same registry).
    pub async fn ensure_blob(&self, blob: &Digest, from: Option<&str>) -> Result<Mounted, Error> {
        let _ = (blob, from);
        Ok(Mounted::Not)
    }

    /// Uploads a blob. `sent` is told the bytes sent so far (and a smaller number when an attempt is repeated).
    pub async fn upload_blob(
        &self,
        blob: &Descriptor,
        source: &dyn BlobSource,
        sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        let _ = (blob, source, sent);
        Err(Error::NotFound { reference: String::new() })
    }

    /// Uploads a manifest or index under its digest, or under `tag`.
    pub async fn put_manifest(&self, manifest: &Descriptor, bytes: Bytes, tag: Option<&str>) -> Result<(), Error> {
        let _ = (manifest, bytes, tag);
        Err(Error::NotFound { reference: String::new() })
    }
}
