//! Images in archives.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Blob, Image, Layer};

/// `docker save` of old: `<hex>.json`, `<hex>/layer.tar`, `manifest.json`, `repositories`.
pub(super) fn docker(image: &Image, tags: &[&str]) -> Vec<u8> {
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    let config = format!("{}.json", hex(&image.config.digest));
    let layers: Vec<String> = image.layers.iter().map(|l| format!("{}/layer.tar", hex(&l.diff_id))).collect();
    let manifest = json!([{"Config": config, "RepoTags": tags, "Layers": layers}]);
    let mut repositories: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for tag in tags {
        let (name, tag) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let top = image.layers.last().map_or_else(String::new, |l| hex(&l.diff_id));
        repositories.entry(name).or_default().insert(tag, top);
    }
    let mut tar = Layer::builder().file(&config, &image.config.bytes);
    for (layer, path) in image.layers.iter().zip(&layers) {
        tar = tar.file(path, &layer.tar);
    }
    tar.file("manifest.json", manifest.to_string().as_bytes())
        .file("repositories", json!(repositories).to_string().as_bytes())
        .pack(super::Compression::None)
        .tar
}

/// An OCI image layout. With `index`, that is what the layout's own index points to; else it points to the images.
pub(super) fn oci(images: &[&Image], index: Option<&Blob>, reference: Option<&str>) -> Vec<u8> {
    let mut blobs: BTreeMap<&str, &Blob> = BTreeMap::new();
    for image in images {
        blobs.extend(image.blobs().into_iter().chain([&image.manifest]).map(|b| (b.digest.as_str(), b)));
    }
    blobs.extend(index.map(|i| (i.digest.as_str(), i)));
    let mut tops: Vec<Value> = match index {
        Some(index) => vec![index.descriptor()],
        None => images.iter().map(|i| i.manifest.descriptor()).collect(),
    };
    if let Some(reference) = reference {
        let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        for top in &mut tops {
            top["annotations"] =
                json!({"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag});
        }
    }
    let top = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": tops});
    let mut tar = Layer::builder().dir("blobs/", 0o755).dir("blobs/sha256/", 0o755);
    for (digest, blob) in blobs {
        tar = tar.file(&format!("blobs/sha256/{}", digest.trim_start_matches("sha256:")), &blob.bytes);
    }
    tar.file("index.json", top.to_string().as_bytes())
        .file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .pack(super::Compression::None)
        .tar
}
