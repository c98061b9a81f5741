//! Images to a registry: blobs first, manifests after them, the tag last, so that what the registry shows is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use id::{Digest, Reference};
use oci::image::{Descriptor, media_type};
use registry_client::{BlobSource, Client, Mounted, OpenBlob, Repository};
use tokio::io::AsyncSeekExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::names::repository;
use crate::record::{digest_of, is_dangling, size_of};
use crate::walk::{ManifestAt, Walk, best_of};
use crate::{Action, Error, Progress, ProgressSink, Push, Pushed, Result, Store, document, platform};

impl Store {
    /// Pushes an image under its name, or all tags of a repository if the name has none.
    ///
    /// # Errors
    /// `tag does not exist: …`, the registry's refusals in Docker's words, content that is missing here.
    pub async fn push(&self, client: &Client, push: Push, progress: ProgressSink) -> Result<Vec<Pushed>> {
        let reference = &push.reference;
        progress(Progress::message(format!("The push refers to repository [{}]", reference.name())));
        let mut targets = Vec::new();
        let names = self.names();
        if reference.tag().is_some() || reference.digest().is_some() {
            let Some(record) = names.get(&reference.to_string()) else {
                return Err(Error::NotFoundIn(format!("tag does not exist: {}", reference.familiar())));
            };
            targets.push((reference.clone(), record.target.clone()));
        } else {
            let repo = reference.name();
            for (name, record) in names.iter().filter(|(n, _)| !is_dangling(n)) {
                if let Some(own) =
                    Reference::parse_normalized(name).ok().filter(|r| r.name() == repo && r.tag().is_some())
                {
                    targets.push((own, record.target.clone()));
                }
            }
            if targets.is_empty() {
                let name = reference.familiar_name();
                return Err(Error::NotFoundIn(format!("An image does not exist locally with the tag: {name}")));
            }
        }
        let mut out = Vec::new();
        for (reference, target) in targets {
            let repository = client.repository(&reference, push.auth.clone());
            out.push(self.push_one(&repository, &reference, &target, &push, &progress).await?);
        }
        Ok(out)
    }

    async fn push_one(
        &self,
        repository: &Repository,
        reference: &Reference,
        target: &Descriptor,
        push: &Push,
        progress: &ProgressSink,
    ) -> Result<Pushed> {
        let selected = self.select(reference, target, push)?;
        let mut blobs = BTreeMap::new();
        Walk(self).blobs_of(&selected, &mut blobs)?;
        let _pin = self.pin(blobs.values().filter_map(|d| digest_of(d).ok()));
        let (documents, blobs): (Vec<_>, Vec<_>) = blobs
            .into_values()
            .partition(|d| media_type::is_manifest(&d.media_type) || media_type::is_index(&d.media_type));
        self.push_blobs(repository, blobs, progress).await?;

        // Manifests before the indexes that name them, and the one with the tag at the end.
        let (indexes, manifests): (Vec<_>, Vec<_>) =
            documents.into_iter().partition(|d| media_type::is_index(&d.media_type));
        for d in manifests.iter().chain(&indexes).filter(|d| d.digest != selected.digest) {
            repository.put_manifest(d, self.manifest_of(d)?, None).await?;
        }
        repository.put_manifest(&selected, self.manifest_of(&selected)?, reference.tag()).await?;
        let digest = digest_of(&selected)?;
        self.change(|_, change| self.add_source(change, &digest_of(target)?, reference.name()))?;
        if let Some(tag) = reference.tag() {
            let size = selected.size;
            progress(Progress::message(format!("{tag}: digest: {digest} size: {size}")));
        }
        let instead_of = (selected.digest != target.digest && push.platform.is_none()).then(|| target.clone());
        Ok(Pushed { reference: reference.clone(), descriptor: selected, instead_of })
    }

    fn manifest_of(&self, d: &Descriptor) -> Result<bytes::Bytes> {
        Ok(self.inner.content.read(&digest_of(d)?, document::MAX_MANIFEST)?.into())
    }

    /// What of an image can be pushed: the whole index if all of it is here, else one platform's manifest.
    fn select(&self, reference: &Reference, target: &Descriptor, push: &Push) -> Result<Descriptor> {
        if !media_type::is_index(&target.media_type) && push.platform.is_none() {
            return Ok(target.clone());
        }
        let all = Walk(self).manifests_of(target)?;
        let is_here = |m: &ManifestAt| -> Result<bool> {
            match &m.record {
                Some(_) => Ok(true),
                None if m.is_attestation() => Ok(self.inner.content.size_of(&digest_of(&m.descriptor)?)?.is_some()),
                None => Ok(false),
            }
        };
        let mut missing = false;
        for m in &all {
            missing |= !is_here(m)?;
        }
        let matching: Vec<&ManifestAt> = all
            .iter()
            .filter(|m| m.record.is_some() && !m.is_attestation())
            .filter(|m| push.platform.as_ref().is_none_or(|w| m.platform().is_some_and(|p| platform::is_exact(w, &p))))
            .collect();
        match (matching.as_slice(), &push.platform) {
            ([], wanted) => Err(Error::PlatformNotFound {
                reference: reference.familiar(),
                wanted: wanted.as_ref().map(platform::format),
            }),
            ([one], Some(_)) => Ok(one.descriptor.clone()),
            (_, None) if !missing => Ok(target.clone()),
            ([one], None) => Ok(one.descriptor.clone()),
            (_, None) => match best_of(&all, None) {
                Some(best) => Ok(best.descriptor.clone()),
                None => Err(Error::Several(
                    "multiple matching manifests found but no specific platform requested".to_owned(),
                )),
            },
            (_, Some(wanted)) => {
                Err(Error::Several(format!("multiple manifests found for platform {}", platform::format(wanted))))
            }
        }
    }

    async fn push_blobs(&self, repository: &Repository, blobs: Vec<Descriptor>, progress: &ProgressSink) -> Result<()> {
        let slots = Arc::new(Semaphore::new(self.inner.uploads.load(Ordering::Relaxed)));
        let mut tasks = JoinSet::new();
        for blob in blobs {
            let digest = digest_of(&blob)?;
            let shown = !media_type::is_config(&blob.media_type);
            if shown {
                progress(Progress::layer(digest.short(), "Waiting"));
            }
            let upload = Upload {
                sources: self.other_repositories(repository.reference(), &digest)?,
                store: self.clone(),
                repository: repository.clone(),
                progress: Arc::clone(progress),
                blob,
                digest,
                shown,
            };
            let slots = Arc::clone(&slots);
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await.map_err(|_| Error::Cancelled)?;
                upload.run().await
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(result) => result?,
                Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                Err(_) => return Err(Error::Cancelled),
            }
        }
        Ok(())
    }

    /// Other repositories of the same registry that have this blob, by what the names here say.
    fn other_repositories(&self, reference: &Reference, blob: &Digest) -> Result<Vec<String>> {
        let mut manifests = BTreeSet::new();
        for (digest, record) in self.manifest_records().iter() {
            if record.config == *blob || record.layers.iter().any(|l| l.digest == *blob) {
                manifests.insert(digest.clone());
            }
        }
        let names = self.names();
        let mut out = BTreeSet::new();
        for (name, record) in names.iter() {
            let other = repository(name).and_then(|_| Reference::parse_normalized(name).ok());
            let Some(other) = other.filter(|r| r.domain() == reference.domain() && r.path() != reference.path()) else {
                continue;
            };
            if Walk(self).manifests_of(&record.target)?.iter().any(|m| manifests.contains(&m.descriptor.digest)) {
                out.insert(other.path().to_owned());
            }
        }
        Ok(out.into_iter().collect())
    }
}

/// One blob on its way out.
struct Upload {
    store: Store,
    repository: Repository,
    progress: ProgressSink,
    blob: Descriptor,
    digest: Digest,
    /// Where on the registry it may be already.
    sources: Vec<String>,
    shown: bool,
}

impl Upload {
    async fn run(self) -> Result<()> {
        let from = self.sources.first().map(String::as_str);
        let word = match self.repository.ensure_blob(&self.digest, from).await? {
            Mounted::Existed if media_type::is_layer(&self.blob.media_type) => "Layer already exists".to_owned(),
            Mounted::Existed => "Already exists".to_owned(),
            Mounted::FromOther => format!("Mounted from {}", from.unwrap_or_default()),
            Mounted::Not => {
                self.upload().await?;
                "Pushed".to_owned()
            }
        };
        self.say(Progress::layer(self.digest.short(), word));
        Ok(())
    }

    async fn upload(&self) -> Result<()> {
        let total = size_of(&self.blob);
        let last = AtomicU64::new(u64::MAX);
        let sent = |n: u64| {
            if last.swap(n, Ordering::Relaxed) != n {
                let id = self.digest.short().to_owned();
                self.say(Progress::Layer { id, action: Action::Pushing, current: n, total: Some(total) });
            }
        };
        let source = Blob { store: self.store.inner.content.clone(), digest: self.digest.clone() };
        Ok(self.repository.upload_blob(&self.blob, &source, &sent).await?)
    }

    fn say(&self, p: Progress) {
        if self.shown {
            (self.progress)(p);
        }
    }
}

/// A blob of the content store, to be read as often as it takes.
struct Blob {
    store: content::Store,
    digest: Digest,
}

impl BlobSource for Blob {
    fn open(&self, offset: u64) -> OpenBlob<'_> {
        Box::pin(async move {
            let file = self.store.reader(&self.digest).map_err(io::Error::other)?;
            let mut file = tokio::fs::File::from_std(file);
            file.seek(io::SeekFrom::Start(offset)).await?;
            Ok(Box::new(file) as Box<dyn tokio::io::AsyncRead + Send + Unpin>)
        })
    }
}
