//! Images from a registry.
//!
//! ```text
//! registry ─► pieces ─► (thread 1) hash, write blob, decode ─► pieces ─► (thread 2) hash, write files
//! ```
//! per layer, layers in parallel and in any order. A blob that several pulls want is fetched once ([`job`]). When
//! all layers are there: one sync, layers visible, records committed.

mod job;
mod progress;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use id::{Digest, Reference};
use oci::image::{Descriptor, Index, Manifest, Platform, media_type};
use registry_client::{Client, Repository};
use tokio::task::JoinSet;

pub(crate) use job::Jobs;

use crate::incoming::{Checked, Incoming};
use crate::record::{digest_of, size_of};
use crate::remove::blocking;
use crate::unpack::Unpacked;
use crate::walk::Walk;
use crate::{Error, Progress, ProgressSink, Pull, Pulled, Result, Store, document, platform};
use job::Job;
use progress::Board;

/// Indexes in indexes, at most.
const MAX_NESTING: usize = 4;

/// Documents fetched for a pull, not stored yet.
#[derive(Default)]
struct Documents(BTreeMap<Digest, Vec<u8>>);

/// What the name turned out to be.
struct Plan {
    target: Descriptor,
    manifest: Descriptor,
    parsed: Manifest,
    documents: Documents,
    /// Attestations of the chosen manifest, with what they point to.
    attestations: Vec<Descriptor>,
}

impl Store {
    /// Pulls an image. Cancelled by dropping the future; what was fetched by then is kept for a resume.
    ///
    /// # Errors
    /// The registry's refusals in Docker's words, wrong content, a full disk.
    pub async fn pull(&self, client: &Client, pull: Pull, progress: ProgressSink) -> Result<Pulled> {
        let reference = pull.reference.or_latest();
        let repository = client.repository(&reference, pull.auth);
        let wanted = pull.platform.unwrap_or_else(platform::host);
        let result = self.pull_one(&repository, &reference, &wanted, &progress).await;
        sys::process::trim_heap();
        let pulled = result?;
        progress(Progress::message(format!("Digest: {}", pulled.id)));
        let what = if pulled.newer { "Downloaded newer image" } else { "Image is up to date" };
        progress(Progress::message(format!("Status: {what} for {}", reference.familiar())));
        Ok(pulled)
    }

    /// Pulls every tag of a repository (`docker pull --all-tags`).
    ///
    /// # Errors
    /// As [`Self::pull`]; tags pulled before stay.
    pub async fn pull_all(&self, client: &Client, pull: Pull, progress: ProgressSink) -> Result<Vec<Pulled>> {
        let mut out = Vec::new();
        for tag in client.repository(&pull.reference, pull.auth.clone()).tags().await? {
            if let Some(reference) = pull.reference.with_tag(&tag) {
                let one = Pull { reference, ..pull.clone() };
                out.push(self.pull(client, one, Arc::clone(&progress)).await?);
            }
        }
        Ok(out)
    }

    async fn pull_one(
        &self,
        repository: &Repository,
        reference: &Reference,
        wanted: &Platform,
        progress: &ProgressSink,
    ) -> Result<Pulled> {
        let name = reference.to_string();
        let old = self.names().get(&name).map(|r| r.target.digest.clone());
        let plan = self.plan(repository, reference, wanted).await?;
        let id = digest_of(&plan.target)?;
        let tag = reference.tag().map_or_else(|| name.clone(), str::to_owned);
        progress(Progress::tagged(tag, format!("Pulling from {}", reference.path())));

        let newer = old.as_deref() != Some(id.as_str());
        let is_whole = self.manifest_record(&plan.manifest.digest).is_some_and(|r| !r.keys.is_empty())
            && self.has_content(&plan)?;
        if !newer && is_whole {
            return Ok(Pulled { id, newer });
        }
        let config_digest = digest_of(&plan.parsed.config)?;
        let pins = plan.parsed.layers.iter().chain([&plan.parsed.config]).map(digest_of);
        let _pin = self.pin(pins.collect::<Result<Vec<_>>>()?);
        let board = Board::new(Arc::clone(progress), !is_whole);
        let (config, fresh) = {
            let config = self.small(repository, &plan.parsed.config, document::MAX_CONFIG);
            let layers = self.layers(repository, &plan, &board);
            let attestations = self.fetch_attestations(repository, &plan.attestations);
            match tokio::try_join!(config, layers, attestations) {
                Ok((config, layers, ())) => (config, layers),
                Err(error) => {
                    if !error.is_passing() {
                        self.drop_partials(&plan.parsed.layers).await;
                    }
                    return Err(error);
                }
            }
        };
        let mut documents = plan.documents;
        documents.0.insert(config_digest, config.clone());
        let checked = Checked::new(digest_of(&plan.manifest)?, plan.parsed, &config)?;
        let (this, target) = (self.clone(), plan.target);
        let manifest_size = size_of(&plan.manifest);
        let source = reference.name();
        let attestations = plan.attestations;
        blocking(move || {
            let commit = Commit { checked, documents, attestations, manifest_size, name, target, repository: source };
            commit.run(&this, &fresh)
        })
        .await?;
        board.complete();
        Ok(Pulled { id, newer })
    }

    /// A pull that failed for good leaves no parts behind; what another pull is writing stays.
    async fn drop_partials(&self, layers: &[Descriptor]) {
        const TRIES: u32 = 20;
        for layer in layers {
            let Ok(digest) = digest_of(layer) else { continue };
            for _ in 0..TRIES {
                let (content, digest, size) = (self.inner.content.clone(), digest.clone(), size_of(layer));
                let dropped = blocking(move || {
                    if content.size_of(&digest)?.is_some() {
                        return Ok(true);
                    }
                    match content.ingest(&digest, size) {
                        Ok(partial) => {
                            partial.discard();
                            Ok(true)
                        }
                        // Its writer has not noticed yet that it was called off.
                        Err(content::Error::Busy(_)) => Ok(false),
                        Err(error) => Err(error.into()),
                    }
                });
                if !matches!(dropped.await, Ok(false)) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            }
        }
    }

    /// Finds out what the name means for the platform.
    async fn plan(&self, repository: &Repository, reference: &Reference, wanted: &Platform) -> Result<Plan> {
        let resolved = repository.resolve().await?;
        let target = resolved.descriptor;
        let mut documents = Documents::default();
        let mut bytes = match resolved.bytes {
            Some(bytes) => bytes.to_vec(),
            None => self.manifest_bytes(repository, &target).await?,
        };
        let mut manifest = target.clone();
        let mut attestations = Vec::new();
        for _ in 0..MAX_NESTING {
            let digest = digest_of(&manifest)?;
            check_digest(&digest, &bytes)?;
            documents.0.insert(digest.clone(), bytes.clone());
            if !media_type::is_index(&manifest.media_type) {
                if matches!(
                    manifest.media_type.as_str(),
                    media_type::DOCKER_MANIFEST_V1 | media_type::DOCKER_MANIFEST_V1_SIGNED
                ) {
                    return Err(Error::Schema1(reference.to_string()));
                }
                let parsed = document::manifest(&digest, &manifest.media_type, &bytes)?;
                return Ok(Plan { target, manifest, parsed, documents, attestations });
            }
            let index = document::index(&digest, &manifest.media_type, &bytes)?;
            manifest = choose(&index, wanted).ok_or_else(|| Error::NoMatchingManifest(platform::format(wanted)))?;
            attestations.extend(attestations_of(&index, &manifest));
            bytes = self.manifest_bytes(repository, &manifest).await?;
        }
        let digest = digest_of(&target)?;
        Err(Error::InvalidDocument { what: "index", digest, why: "nested too deep".to_owned() })
    }

    /// Whether manifest, document and layers are all here with their sizes (a check may have taken out what was bad).
    fn has_content(&self, plan: &Plan) -> Result<bool> {
        for d in plan.parsed.layers.iter().chain([&plan.parsed.config, &plan.manifest]) {
            if self.inner.content.size_of(&digest_of(d)?)? != Some(size_of(d)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A manifest or index, from here if it is here.
    async fn manifest_bytes(&self, repository: &Repository, d: &Descriptor) -> Result<Vec<u8>> {
        match self.inner.content.read(&digest_of(d)?, document::MAX_MANIFEST) {
            Ok(bytes) => Ok(bytes),
            Err(_) => Ok(repository.manifest(d).await?.to_vec()),
        }
    }

    /// A small blob, from here if it is here.
    async fn small(&self, repository: &Repository, d: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let digest = digest_of(d)?;
        if let Ok(bytes) = self.inner.content.read(&digest, limit) {
            return Ok(bytes);
        }
        let size = size_of(d);
        if size > limit {
            return Err(content::Error::TooLarge { digest, size, limit }.into());
        }
        let mut stream = repository.blob(d, 0).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
        }
        if bytes.len() as u64 != size {
            return Err(content::Error::Size { want: size, got: bytes.len() as u64 }.into());
        }
        check_digest(&digest, &bytes)?;
        Ok(bytes)
    }

    /// Fetches the layers that are not here; gives the jobs, which hold what was unpacked on the way.
    async fn layers(&self, repository: &Repository, plan: &Plan, board: &Board) -> Result<BTreeMap<Digest, Arc<Job>>> {
        let is_image = document::is_image(&plan.parsed);
        let mut missing: BTreeMap<Digest, Descriptor> = BTreeMap::new();
        for layer in &plan.parsed.layers {
            let digest = digest_of(layer)?;
            let is_here = self.inner.content.size_of(&digest)?.is_some();
            board.add(&digest, is_here);
            if !is_here {
                missing.insert(digest, layer.clone());
            }
        }
        let has_failed = Arc::new(AtomicBool::new(false));
        let mut waits = JoinSet::new();
        for (digest, layer) in missing {
            let (this, repository) = (self.clone(), repository.clone());
            let (board, has_failed) = (board.clone(), Arc::clone(&has_failed));
            waits.spawn(async move {
                let fetched = this.fetch(&repository, layer, is_image, Some((&board, &has_failed))).await;
                fetched.map(|job| (digest, job))
            });
        }
        let mut jobs = BTreeMap::new();
        let mut tick = tokio::time::interval(progress::INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = waits.join_next() => match done {
                    None => break,
                    Some(Ok(done)) => {
                        let (digest, job) = done.inspect_err(|_| has_failed.store(true, Ordering::Relaxed))?;
                        jobs.insert(digest, job);
                    }
                    Some(Err(e)) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                    Some(Err(_)) => return Err(Error::Cancelled),
                },
                _ = tick.tick() => board.show(),
            }
        }
        board.show();
        Ok(jobs)
    }

    /// Fetches one blob: joins the download that is under way, or starts one. What failed for another pull is
    /// tried again with this pull's own repository and credentials.
    async fn fetch(
        &self,
        repository: &Repository,
        blob: Descriptor,
        unpack: bool,
        pull: Option<(&Board, &AtomicBool)>,
    ) -> Result<Arc<Job>> {
        loop {
            let (job, is_ours) = self.inner.pulls.join(self, repository, &blob, unpack)?;
            let wish = Wish { job, has_failed: pull.map(|(_, has_failed)| has_failed) };
            let job = &wish.job;
            if let Some((board, _)) = pull {
                board.watch(job);
            }
            match job.wait().await {
                Ok(()) => return Ok(Arc::clone(job)),
                Err(e) if is_ours => return Err(Error::Shared(e)),
                Err(_) => {}
            }
        }
    }

    /// Attestations come along if they can be had; an image is no worse without.
    async fn fetch_attestations(&self, repository: &Repository, list: &[Descriptor]) -> Result<()> {
        for attestation in list {
            if let Err(e) = self.attestation(repository, attestation).await {
                tracing::warn!(manifest = %attestation.digest, error = %e, "attestation cannot be fetched");
            }
        }
        Ok(())
    }

    async fn attestation(&self, repository: &Repository, d: &Descriptor) -> Result<()> {
        let digest = digest_of(d)?;
        let bytes = self.manifest_bytes(repository, d).await?;
        check_digest(&digest, &bytes)?;
        let manifest = document::manifest(&digest, &d.media_type, &bytes)?;
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if self.inner.content.size_of(&digest_of(blob)?)?.is_none() {
                self.fetch(repository, blob.clone(), false, None).await?;
            }
        }
        let content = self.inner.content.clone();
        blocking(move || Ok(content.put_as(&digest, &bytes)?)).await
    }
}

/// A pull's wish for a blob. When the pull has failed it tells the download so, which may end with the wish.
struct Wish<'a> {
    job: Arc<Job>,
    has_failed: Option<&'a AtomicBool>,
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        if self.has_failed.is_some_and(|failed| failed.load(Ordering::Relaxed)) {
            self.job.forsake();
        }
    }
}

/// The last step: everything is here, make it an image.
struct Commit {
    checked: Checked,
    documents: Documents,
    attestations: Vec<Descriptor>,
    manifest_size: u64,
    name: String,
    target: Descriptor,
    /// Where it comes from.
    repository: String,
}

impl Commit {
    fn run(self, store: &Store, jobs: &BTreeMap<Digest, Arc<Job>>) -> Result<()> {
        // One at a time: of two pulls with a layer in common, the second finds it published.
        let _one = store.inner.pulls.assembling();
        let mut incoming = Incoming::new(store);
        incoming.pin_manifest(&self.checked);
        for attestation in &self.attestations {
            let mut blobs = BTreeMap::new();
            Walk(store).blobs_of(attestation, &mut blobs)?;
            incoming.pin(blobs.values().filter_map(|d| digest_of(d).ok()));
        }
        for (digest, bytes) in self.documents.0 {
            incoming.document(digest, bytes);
        }
        let is_image = document::is_image(&self.checked.manifest);
        let take = |i: usize| -> Option<Result<Unpacked>> {
            jobs.get(&self.checked.blobs[i]).and_then(|job| job.take_unpacked()).map(Ok)
        };
        let done = incoming
            .manifest(&self.checked, self.manifest_size, is_image, take)
            .and_then(|()| {
                incoming.source(digest_of(&self.target)?, self.repository);
                incoming.name(self.name, self.target);
                Ok(())
            })
            .and_then(|()| incoming.commit());
        if done.is_err() {
            // Layer blobs stay for a new try; a blob that is wrong was thrown away by its job.
            incoming.undo(BTreeMap::new())?;
        }
        done
    }
}

/// The best manifest (or nested index) of an index for a platform.
fn choose(index: &Index, wanted: &Platform) -> Option<Descriptor> {
    let candidates = index.manifests.iter().filter(|d| {
        document::attestation_subject(d).is_none()
            && (media_type::is_manifest(&d.media_type) || media_type::is_index(&d.media_type))
    });
    candidates
        .filter_map(|d| match &d.platform {
            Some(p) => platform::rank(wanted, p).map(|rank| (rank, d)),
            // Without a word about platforms it may be for any.
            None => Some((usize::MAX, d)),
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, d)| d.clone())
}

fn attestations_of<'a>(index: &'a Index, manifest: &Descriptor) -> impl Iterator<Item = Descriptor> + 'a {
    let subject = manifest.digest.clone();
    let about = move |d: &&Descriptor| document::attestation_subject(d).is_some_and(|s| s.as_str() == subject);
    index.manifests.iter().filter(about).cloned()
}

fn check_digest(want: &Digest, bytes: &[u8]) -> Result<()> {
    let mut hasher = content::Hasher::like(want);
    hasher.update(bytes);
    let got = hasher.finish();
    if got == *want { Ok(()) } else { Err(content::Error::Digest { want: want.clone(), got }.into()) }
}

/// Serializes the last steps of pulls.
#[derive(Debug, Default)]
pub(crate) struct Assembling(Mutex<()>);

impl Assembling {
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        crate::store::lock(&self.0)
    }
}
