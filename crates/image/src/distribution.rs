//! What a registry has under a name, without pulling it (`GET /distribution/{name}/json`).

use id::Reference;
use oci::image::{Descriptor, Platform, media_type};
use registry_client::{Client, Credentials, Repository};

use crate::record::{digest_of, size_of};
use crate::{Error, Result, document};

/// What a registry has under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// What the name means there.
    pub descriptor: Descriptor,
    /// The platforms it is for, as index or image document say.
    pub platforms: Vec<Platform>,
}

/// Asks the registry about a name; nothing is stored.
///
/// # Errors
/// The registry's refusals in Docker's words; documents that are none.
pub async fn distribution(client: &Client, reference: &Reference, auth: Option<Credentials>) -> Result<Distribution> {
    let repository = client.repository(&reference.clone().or_latest(), auth);
    let resolved = repository.resolve().await?;
    let descriptor = resolved.descriptor;
    let bytes = match resolved.bytes {
        Some(bytes) => bytes,
        None => repository.manifest(&descriptor).await?,
    };
    let digest = digest_of(&descriptor)?;
    if media_type::is_index(&descriptor.media_type) {
        let index = document::index(&digest, &descriptor.media_type, &bytes)?;
        let platforms = index.manifests.into_iter().filter_map(|m| m.platform).collect();
        return Ok(Distribution { descriptor, platforms });
    }
    if descriptor.media_type.starts_with("application/vnd.docker.distribution.manifest.v1+") {
        return Err(Error::Schema1(reference.to_string()));
    }
    let manifest = document::manifest(&digest, &descriptor.media_type, &bytes)?;
    let platforms = platform_of(&repository, &manifest.config).await?.into_iter().collect();
    Ok(Distribution { descriptor, platforms })
}

/// The platform that an image document declares. A document that cannot be had, or says nothing, is no failure.
async fn platform_of(repository: &Repository, config: &Descriptor) -> Result<Option<Platform>> {
    if size_of(config) > document::MAX_CONFIG {
        return Ok(None);
    }
    let Ok(mut stream) = repository.blob(config, 0).await else { return Ok(None) };
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
    }
    let digest = digest_of(config)?;
    if content::Hasher::digest_like(&digest, &bytes) != digest {
        return Ok(None);
    }
    let Ok(platform) = serde_json::from_slice::<Platform>(&bytes) else { return Ok(None) };
    Ok(Some(platform).filter(|p| !p.os.is_empty() || !p.architecture.is_empty()))
}
