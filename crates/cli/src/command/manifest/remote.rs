//! What the `manifest` commands want of a registry. They speak to it themselves: the engine has no part in it.

use bytes::Bytes;
use content::Hasher;
use oci::image::{Descriptor, Index, Platform, media_type};
use registry_client::{Client, Config, Credentials, Error, Mounted, Repository};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::entry::Entry;
use crate::app::App;
use crate::failure::{Failure, Result};
use crate::reference::Reference;

/// Bytes of an image's config that are read.
const CONFIG_MAX: i64 = 8 << 20;

/// One repository.
pub(super) struct Remote {
    runtime: Runtime,
    repository: Repository,
    name: Reference,
}

/// What a name stands for.
pub(super) enum Fetched {
    /// One manifest.
    Manifest(Box<Entry>),
    /// A list.
    List(Vec<Entry>),
}

impl Remote {
    /// The repository of `name`, with the user's credentials for its registry.
    pub(super) fn new(app: &App, insecure: bool, name: &Reference) -> Result<Self> {
        let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| failed(&e))?;
        let insecure = if insecure { vec![name.domain.clone()] } else { Vec::new() };
        let known = app.config.credentials(name.auth_key());
        let credentials = Credentials {
            username: known.username,
            password: known.password,
            identity_token: known.identity_token,
            server_address: known.server,
            ..Credentials::default()
        };
        let reference = id::Reference::parse_normalized(&name.full()).map_err(|e| failed(&e))?;
        let repository = runtime.block_on(async {
            let client = Client::new(Config { insecure, ..Config::default() })?;
            Ok::<_, Error>(client.repository(&reference, Some(credentials).filter(|c| !c.is_empty())))
        });
        Ok(Self { repository: repository.map_err(|e| failed(&e))?, runtime, name: name.clone() })
    }

    fn failure(&self, error: &Error) -> Failure {
        let gone = match error {
            Error::Resolve { source, .. } => !matches!(**source, Error::Request { .. }),
            Error::NotFound { .. } | Error::AccessDenied { .. } | Error::NoBasicAuth { .. } => true,
            Error::ContentNotFound { .. } | Error::BlobNotFound { .. } | Error::Status { .. } => true,
            _ => false,
        };
        if gone {
            return Failure::new(format!("no such manifest: {}", self.name.full()));
        }
        Failure::new(error.to_string())
    }

    /// What the name stands for, with the platforms of all manifests.
    pub(super) fn fetch(&self) -> Result<Fetched> {
        self.runtime.block_on(self.fetch_all()).map_err(|e| match e {
            Unusable::Registry(e) => self.failure(&e),
            Unusable::Document(why) => Failure::new(why),
        })
    }

    async fn fetch_all(&self) -> std::result::Result<Fetched, Unusable> {
        let resolved = self.repository.resolve().await?;
        let descriptor = resolved.descriptor;
        let raw = match resolved.bytes {
            Some(bytes) => bytes,
            None => self.repository.manifest(&descriptor).await?,
        };
        if !matches!(descriptor.media_type.as_str(), media_type::OCI_INDEX | media_type::DOCKER_LIST) {
            return Ok(Fetched::Manifest(Box::new(self.entry(self.name.clone(), descriptor, raw).await?)));
        }
        let index: Index = serde_json::from_slice(&raw).map_err(|e| Unusable::Document(e.to_string()))?;
        let mut entries = Vec::with_capacity(index.manifests.len());
        for descriptor in index.manifests {
            let raw = self.repository.manifest(&descriptor).await?;
            let name = Reference { digest: Some(descriptor.digest.clone()), ..self.name.clone() };
            let platform = descriptor.platform.clone();
            let mut entry = self.entry(name, descriptor, raw).await?;
            entry.descriptor.platform = Some(platform.unwrap_or_default());
            entries.push(entry);
        }
        Ok(Fetched::List(entries))
    }

    async fn entry(&self, name: Reference, descriptor: Descriptor, raw: Bytes) -> std::result::Result<Entry, Unusable> {
        let unusable = || Unusable::Document(format!("{} is not a manifest", name.full()));
        if !matches!(descriptor.media_type.as_str(), media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST) {
            return Err(unusable());
        }
        let manifest: Value = serde_json::from_slice(&raw).map_err(|_| unusable())?;
        let config: Descriptor = serde_json::from_value(manifest["config"].clone()).map_err(|_| unusable())?;
        let platform = self.platform(&config).await?;
        let descriptor = Descriptor {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            size: descriptor.size,
            platform: Some(platform),
            ..Descriptor::default()
        };
        Ok(Entry { name, descriptor, raw: raw.to_vec() })
    }

    /// The platform that an image's config names.
    async fn platform(&self, config: &Descriptor) -> std::result::Result<Platform, Unusable> {
        let wrong = || Unusable::Document(format!("image config verification failed for digest {}", config.digest));
        if config.size > CONFIG_MAX {
            return Err(wrong());
        }
        let mut blob = self.repository.blob(config, 0).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = blob.next().await {
            bytes.extend_from_slice(&piece?);
        }
        let digest = config.digest.parse().map_err(|_| wrong())?;
        if Hasher::digest_like(&digest, &bytes) != digest {
            return Err(wrong());
        }
        serde_json::from_slice(&bytes).map_err(|e| Unusable::Document(e.to_string()))
    }

    /// Has the registry take a manifest's blobs from the repository where they are.
    pub(super) fn mount(&self, entry: &Entry) -> Result<()> {
        for blob in entry.blobs() {
            let from = entry.name.path.as_str();
            let digest = blob.parse().map_err(|_| Failure::new(format!("invalid digest {blob:?}")))?;
            let mounted = self.runtime.block_on(self.repository.ensure_blob(&digest, Some(from)));
            let is_windows = entry.descriptor.platform.as_ref().is_some_and(|p| p.os == "windows");
            match mounted {
                Ok(Mounted::Not) if !is_windows => {
                    return Err(Failure::new(format!("error mounting {from}@{blob} to {}", self.name.full())));
                }
                Ok(_) => {}
                Err(e) => return Err(Failure::new(e.to_string())),
            }
        }
        Ok(())
    }

    /// Puts a document under its digest, or a tag; gives its digest.
    pub(super) fn put(&self, media_type: &str, bytes: &[u8], tag: Option<&str>) -> Result<String> {
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: Hasher::digest(bytes).to_string(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            ..Descriptor::default()
        };
        let put = self.repository.put_manifest(&descriptor, Bytes::copy_from_slice(bytes), tag);
        self.runtime.block_on(put).map_err(|e| Failure::new(e.to_string()))?;
        Ok(descriptor.digest)
    }
}

/// Why a manifest cannot be had.
enum Unusable {
    Registry(Error),
    Document(String),
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}
