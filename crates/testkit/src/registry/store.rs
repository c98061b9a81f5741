//! What a registry holds.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use crate::images::{Blob, sha256};

#[derive(Debug, Default)]
pub(super) struct Store {
    blobs: BTreeMap<String, Bytes>,
    repositories: BTreeMap<String, Repository>,
    pub(super) uploads: BTreeMap<String, Vec<u8>>,
    pub(super) next_upload: u64,
}

#[derive(Debug, Default)]
struct Repository {
    blobs: BTreeSet<String>,
    manifests: BTreeMap<String, Blob>,
    tags: BTreeMap<String, String>,
}

impl Store {
    pub(super) fn put_blob(&mut self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        self.repository(repository).blobs.insert(digest.clone());
        digest
    }

    /// The same for a blob whose digest is known.
    pub(super) fn put_known(&mut self, repository: &str, blob: &Blob) {
        self.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.bytes.clone().into());
        self.repository(repository).blobs.insert(blob.digest.clone());
    }

    pub(super) fn put_manifest(&mut self, repository: &str, tag: Option<&str>, manifest: &Blob) {
        let repository = self.repository(repository);
        repository.manifests.insert(manifest.digest.clone(), manifest.clone());
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), manifest.digest.clone());
        }
    }

    pub(super) fn manifest(&self, repository: &str, tag_or_digest: &str) -> Option<Blob> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(tag_or_digest).map_or(tag_or_digest, String::as_str);
        repository.manifests.get(digest).cloned()
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.repositories.get(repository)?.blobs.contains(digest).then(|| self.blobs.get(digest).cloned())?
    }

    /// Lets a repository have a blob of another; false if that has none.
    pub(super) fn mount(&mut self, repository: &str, digest: &str, from: &str) -> bool {
        let there = self.blob(from, digest).is_some();
        if there {
            self.repository(repository).blobs.insert(digest.to_owned());
        }
        there
    }

    pub(super) fn delete(&mut self, repository: &str, object: &str) -> bool {
        let repository = self.repository(repository);
        if repository.tags.remove(object).is_some() {
            return true;
        }
        repository.tags.retain(|_, digest| digest != object);
        repository.manifests.remove(object).is_some() | repository.blobs.remove(object)
    }

    pub(super) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.repositories.get(repository)?.tags.keys().cloned().collect())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.repositories.keys().cloned().collect()
    }

    /// Descriptors of the manifests whose `subject` is `digest`.
    pub(super) fn referrers(&self, repository: &str, digest: &str) -> Vec<Value> {
        let Some(repository) = self.repositories.get(repository) else { return Vec::new() };
        let refers =
            |blob: &&Blob| serde_json::from_slice::<Value>(&blob.bytes).is_ok_and(|m| m["subject"]["digest"] == digest);
        let describe = |blob: &Blob| {
            let document: Value = serde_json::from_slice(&blob.bytes).unwrap_or_default();
            let mut descriptor = blob.descriptor();
            let kind = document.get("artifactType").or_else(|| document["config"].get("mediaType"));
            descriptor["artifactType"] = kind.cloned().unwrap_or_default();
            descriptor
        };
        repository.manifests.values().filter(refers).map(describe).collect()
    }

    /// What a manifest names and the repository has not got.
    pub(super) fn missing(&self, repository: &str, manifest: &[u8]) -> Vec<String> {
        let Ok(document) = serde_json::from_slice::<Value>(manifest) else { return vec!["(not JSON)".to_owned()] };
        let digest = |v: &Value| v["digest"].as_str().map(str::to_owned);
        let blobs =
            document["layers"].as_array().into_iter().flatten().chain(document.get("config")).filter_map(digest);
        let manifests = document["manifests"].as_array().into_iter().flatten().filter_map(digest);
        blobs
            .filter(|d| self.blob(repository, d).is_none())
            .chain(manifests.filter(|d| self.manifest(repository, d).is_none()))
            .collect()
    }

    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }
}
