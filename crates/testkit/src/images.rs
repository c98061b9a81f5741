//! Tiny images made in process: layers, documents, archives.
//!
//! ```
//! use testkit::images::{Image, Layer};
//! let image = Image::builder().layer(Layer::builder().file("hello", b"hi\n").gzip()).cmd(&["/hello"]).build();
//! let archive = image.docker_archive(&["test/hello:1"]);
//! assert!(archive.len() > 1024);
//! ```

mod archive;
mod busybox;
mod layer;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use busybox::busybox_binary;
pub use layer::{Compression, Layer, LayerBuilder};
pub use tar::EntryType;

/// `sha256:…` of some bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Content with its descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// `sha256:…`.
    pub digest: String,
}

impl Blob {
    /// Content of that type.
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { media_type: media_type.to_owned(), digest: sha256(&bytes), bytes }
    }

    /// `{"mediaType", "digest", "size"}`.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image for one platform.
#[derive(Debug, Clone)]
pub struct Image {
    /// The image document.
    pub config: Blob,
    /// The manifest (OCI, or Docker's schema 2).
    pub manifest: Blob,
    /// From the bottom.
    pub layers: Vec<Layer>,
    /// `os/arch[/variant]`.
    pub platform: String,
}

/// What an image is to be.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    layers: Vec<Layer>,
    config: BTreeMap<String, Value>,
    platform: String,
    docker: bool,
    annotations: BTreeMap<String, String>,
}

impl Image {
    /// An image without layers, for linux/amd64 (or what this machine is).
    pub fn builder() -> ImageBuilder {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        ImageBuilder {
            layers: Vec::new(),
            config: BTreeMap::new(),
            platform: format!("linux/{arch}"),
            docker: false,
            annotations: BTreeMap::new(),
        }
    }

    /// A small system: static busybox with all its applets under `/bin`, `/etc/passwd`, `/tmp`.
    ///
    /// # Errors
    /// There is no static busybox on this machine and none can be had from apt.
    pub fn busybox() -> anyhow::Result<Self> {
        Ok(Self::builder()
            .layer(busybox::layer()?.gzip())
            .cmd(&["sh"])
            .env("PATH=/bin:/sbin:/usr/bin:/usr/sbin")
            .build())
    }

    /// Digest of the manifest: the image's ID in a containerd store that holds just this platform.
    pub fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// Configuration, layers, manifest: what a registry has to hold.
    pub fn blobs(&self) -> Vec<&Blob> {
        std::iter::once(&self.config).chain(self.layers.iter().map(|l| &l.blob)).collect()
    }

    /// As `docker save` wrote it before version 25: `manifest.json`, `repositories`, one tar a layer.
    pub fn docker_archive(&self, tags: &[&str]) -> Vec<u8> {
        archive::docker(self, tags)
    }

    /// As an OCI image layout in a tar; the index names the image `reference`.
    pub fn oci_layout(&self, reference: Option<&str>) -> Vec<u8> {
        archive::oci(&[self], None, reference)
    }
}

impl ImageBuilder {
    /// Puts a layer on top.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets a field of the image's `config` (`User`, `Volumes`, …).
    #[must_use]
    pub fn config(mut self, field: &str, value: Value) -> Self {
        self.config.insert(field.to_owned(), value);
        self
    }

    /// `Cmd`.
    #[must_use]
    pub fn cmd(self, cmd: &[&str]) -> Self {
        self.config("Cmd", json!(cmd))
    }

    /// `Entrypoint`.
    #[must_use]
    pub fn entrypoint(self, entrypoint: &[&str]) -> Self {
        self.config("Entrypoint", json!(entrypoint))
    }

    /// Adds to `Env`: `NAME=value`.
    #[must_use]
    pub fn env(mut self, pair: &str) -> Self {
        if let Some(list) = self.config.entry("Env".to_owned()).or_insert_with(|| json!([])).as_array_mut() {
            list.push(json!(pair));
        }
        self
    }

    /// Adds to `Labels`.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.config.entry("Labels".to_owned()).or_insert_with(|| json!({}))[key] = json!(value);
        self
    }

    /// `os/arch[/variant]`.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.platform);
        self
    }

    /// Docker's media types instead of OCI's.
    #[must_use]
    pub fn docker_types(mut self) -> Self {
        self.docker = true;
        self
    }

    /// An annotation of the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Makes the documents.
    pub fn build(self) -> Image {
        let mut parts = self.platform.split('/');
        let mut config = json!({
            "created": "2024-01-02T03:04:05Z",
            "os": parts.next().unwrap_or("linux"),
            "architecture": parts.next().unwrap_or("amd64"),
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": self.layers.iter().map(|l| &l.diff_id).collect::<Vec<_>>()},
            "history": self.layers.iter().map(|l| json!({"created": "2024-01-02T03:04:05Z", "created_by": l.created_by})).collect::<Vec<_>>(),
        });
        if let Some(variant) = parts.next() {
            config["variant"] = json!(variant);
        }
        let (manifest_type, config_type) = if self.docker {
            ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json")
        } else {
            ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json")
        };
        let config = Blob::new(config_type, config.to_string().into_bytes());
        let mut layers = self.layers;
        if self.docker {
            layers.iter_mut().for_each(Layer::use_docker_type);
        }
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": config.descriptor(),
            "layers": layers.iter().map(|l| l.blob.descriptor()).collect::<Vec<_>>(),
        });
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        let manifest = Blob::new(manifest_type, manifest.to_string().into_bytes());
        Image { config, manifest, layers, platform: self.platform }
    }
}

/// One name for images of several platforms.
#[derive(Debug, Clone)]
pub struct MultiImage {
    /// The index document.
    pub index: Blob,
    /// What it points to.
    pub images: Vec<Image>,
}

impl MultiImage {
    /// An OCI index over `images`.
    pub fn new(images: Vec<Image>) -> Self {
        let manifests: Vec<Value> = images
            .iter()
            .map(|image| {
                let mut descriptor = image.manifest.descriptor();
                let mut parts = image.platform.split('/');
                let mut platform =
                    json!({"os": parts.next().unwrap_or(""), "architecture": parts.next().unwrap_or("")});
                if let Some(variant) = parts.next() {
                    platform["variant"] = json!(variant);
                }
                descriptor["platform"] = platform;
                descriptor
            })
            .collect();
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        Self { index: Blob::new(media_type, index.to_string().into_bytes()), images }
    }

    /// Digest of the index: the image's ID in a containerd store.
    pub fn digest(&self) -> &str {
        &self.index.digest
    }

    /// As an OCI image layout in a tar.
    pub fn oci_layout(&self, reference: Option<&str>) -> Vec<u8> {
        archive::oci(&self.images.iter().collect::<Vec<_>>(), Some(&self.index), reference)
    }
}
