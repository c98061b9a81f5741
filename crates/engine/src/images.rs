use std::collections::BTreeMap;
use std::sync::Arc;

use event::Kind;
use id::{Digest, Reference};
use oci::image::Platform;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::engine::Shared;
use crate::{Error, Registry};

/// Images: the store's operations, with events and with the knowledge of who uses what.
#[derive(Debug, Clone)]
pub struct Images {
    shared: Arc<Shared>,
}

/// Makes the registry client of this engine.
pub(crate) fn client(config: &Registry) -> Result<registry_client::Client, Error> {
    let around = registry_client::Proxies::from_env();
    let config = registry_client::Config {
        proxies: registry_client::Proxies {
            http: config.http_proxy.clone().or(around.http),
            https: config.https_proxy.clone().or(around.https),
            no_proxy: config.no_proxy.clone().or(around.no_proxy),
        },
        user_agent: config.user_agent.clone(),
        mirrors: config.mirrors.clone(),
        insecure: config.insecure.clone(),
        certs_dir: config.certs_dir.clone(),
        ..registry_client::Config::default()
    };
    registry_client::Client::new(config).map_err(|e| image::Error::from(e).into())
}

impl image::InUse for Shared {
    fn uses(&self) -> Vec<image::Use> {
        self.containers
            .all()
            .into_iter()
            .flat_map(|handle| {
                let view = handle.view();
                let own = image::Use {
                    container: view.id.clone(),
                    running: view.state.is_alive(),
                    reference: view.spec.config.image.clone(),
                    image: view.image_id.clone(),
                    manifest: view.manifest.as_ref().and_then(|m| m.digest.parse().ok()),
                };
                let mounted = view.mounts.iter().filter_map(|point| {
                    let image = point.image.clone()?;
                    Some(image::Use { reference: point.name.clone(), image, manifest: None, ..own.clone() })
                });
                std::iter::once(own.clone()).chain(mounted.collect::<Vec<_>>())
            })
            .collect()
    }
}

impl Images {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The store itself, for reads.
    pub fn store(&self) -> &image::Store {
        &self.shared.images
    }

    pub(crate) fn events(&self) -> &event::Bus {
        &self.shared.events
    }

    pub(crate) fn registry(&self) -> registry_client::Client {
        self.shared.registry()
    }

    fn emit(&self, action: &str, id: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        self.shared.events.emit(Kind::Image, action, id, attributes);
    }

    /// Pulls an image; all of a repository if the reference has neither tag nor digest.
    ///
    /// # Errors
    /// The store's.
    pub async fn pull(&self, pull: image::Pull, progress: image::ProgressSink) -> Result<(), Error> {
        let (familiar, name) = (pull.reference.familiar(), pull.reference.familiar_name());
        let (images, registry) = (&self.shared.images, self.shared.registry());
        if pull.reference.tag().is_some() || pull.reference.digest().is_some() {
            images.pull(&registry, pull, progress).await?;
        } else {
            images.pull_all(&registry, pull, progress).await?;
        }
        self.emit("pull", &familiar, &name);
        Ok(())
    }

    /// Loads images from an archive.
    ///
    /// # Errors
    /// The store's.
    pub async fn load<R>(
        &self,
        input: R,
        load: image::Load,
        progress: image::ProgressSink,
    ) -> Result<Vec<image::Loaded>, Error>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let loaded = self.shared.images.archives().load(input, load, progress).await?;
        for one in &loaded {
            self.emit("load", one.id.as_str(), one.id.as_str());
        }
        Ok(loaded)
    }

    /// Makes an image from a root file system archive.
    ///
    /// # Errors
    /// The store's.
    pub async fn import<R>(&self, input: R, import: image::Import) -> Result<Digest, Error>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let id = self.shared.images.archives().import(input, import).await?;
        self.emit("import", id.as_str(), id.as_str());
        Ok(id)
    }

    /// Writes images as an archive.
    ///
    /// # Errors
    /// The store's.
    pub async fn save<W>(&self, save: image::Save, output: W) -> Result<(), Error>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let names = save.names.clone();
        let ids = self.shared.images.archives().save(save, output).await?;
        for (id, name) in ids.iter().zip(&names) {
            self.emit("save", id.as_str(), name);
        }
        Ok(())
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    /// The store's.
    pub fn tag(&self, reference: &str, new: &Reference) -> Result<(), Error> {
        let id = self.shared.images.tag(reference, new)?;
        self.emit("tag", id.as_str(), &new.familiar());
        Ok(())
    }

    /// Removes a name or an image.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove(&self, reference: &str, options: image::RemoveOptions) -> Result<Vec<image::Removed>, Error> {
        let id = self.shared.images.resolve(reference, None).map(|h| h.id.to_string()).unwrap_or_default();
        let removed = self.shared.images.remove(reference, options, self.shared.as_ref()).await?;
        for one in &removed {
            match one {
                image::Removed::Untagged(name) => self.emit("untag", &id, name),
                image::Removed::Deleted(digest) => self.emit("delete", digest.as_str(), digest.as_str()),
            }
        }
        Ok(removed)
    }

    /// Removes unused images.
    ///
    /// # Errors
    /// The store's.
    pub async fn prune(&self, filter: &image::ListFilter) -> Result<image::PruneReport, Error> {
        let report = self.shared.images.prune(filter, self.shared.as_ref()).await?;
        // The names come first, each image after them.
        for one in &report.removed {
            match one {
                image::Removed::Untagged(name) => self.emit("untag", name, name),
                image::Removed::Deleted(digest) => self.emit("delete", digest.as_str(), digest.as_str()),
            }
        }
        let reclaimed = BTreeMap::from([("reclaimed".to_owned(), report.reclaimed.to_string())]);
        self.shared.events.emit(Kind::Image, "prune", "", reclaimed);
        Ok(report)
    }

    /// Finds an image for a platform.
    ///
    /// # Errors
    /// The store's.
    pub fn resolve(&self, reference: &str, platform: Option<&Platform>) -> Result<image::ImageHandle, Error> {
        Ok(self.shared.images.resolve(reference, platform)?)
    }
}
