//! `docker save`: one tar that is an OCI layout and a docker-archive at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use archive::{Entry, Kind, Writer};
use bytes::Bytes;
use id::{Digest, Reference};
use oci::image::{Descriptor, Index, media_type};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::names::{Names, repository};
use crate::record::{digest_of, is_dangling};
use crate::remove::blocking;
use crate::walk::{ManifestAt, Walk, best_of};
use crate::{Archives, Error, Result, Save, Store, platform};

const NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;

/// An entry of `manifest.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// What goes into the archive.
#[derive(Default)]
struct Plan {
    ids: Vec<Digest>,
    index: Vec<Descriptor>,
    blobs: BTreeMap<Digest, u64>,
    docker: Vec<(String, DockerEntry)>,
}

impl Archives {
    /// Writes images as a tar that is an OCI layout and a docker-archive at once. Gives the ids saved.
    ///
    /// # Errors
    /// As [`Store::resolve`], and when the writer fails.
    pub async fn save<W>(&self, save: Save, mut output: W) -> Result<Vec<Digest>>
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let this = self.store.clone();
        let (tx, mut rx) = mpsc::channel::<Bytes>(PIECES);
        let worker = blocking(move || {
            let plan = this.plan_save(&save)?;
            let _pin = this.pin(plan.blobs.keys().cloned());
            this.write_archive(&plan, Pieces { tx, piece: Vec::with_capacity(PIECE) })?;
            Ok(plan.ids)
        });
        let pump = async move {
            while let Some(piece) = rx.recv().await {
                output.write_all(&piece).await?;
            }
            output.flush().await
        };
        let (worked, pumped) = tokio::join!(worker, pump);
        pumped.map_err(Error::Input)?;
        worked
    }
}

/// What a save does, on a blocking thread.
impl Store {
    fn plan_save(&self, save: &Save) -> Result<Plan> {
        let names = self.names();
        let mut plan = Plan::default();
        for typed in &save.names {
            for (name, target) in chosen(&names, typed)? {
                self.plan_image(&mut plan, typed, name, &target, save)?;
            }
        }
        Ok(plan)
    }

    fn plan_image(
        &self,
        plan: &mut Plan,
        typed: &str,
        name: Option<Reference>,
        target: &Descriptor,
        save: &Save,
    ) -> Result<()> {
        let all = Walk(self).manifests_of(target)?;
        let wanted = |m: &&ManifestAt| match save.platforms.as_slice() {
            [] => m.record.is_some(),
            list => m.platform().is_some_and(|p| list.iter().any(|w| platform::is_exact(w, &p))) && m.record.is_some(),
        };
        let here: Vec<&ManifestAt> = all.iter().filter(|m| !m.is_attestation()).filter(wanted).collect();
        if here.is_empty() && !save.platforms.is_empty() {
            return Err(Error::PlatformNotFound {
                reference: typed.to_owned(),
                wanted: save.platforms.first().map(platform::format),
            });
        }
        // One platform is saved as its manifest, without the index around it.
        let mut top = match (save.platforms.as_slice(), here.as_slice()) {
            ([_], [one]) => one.descriptor.clone(),
            _ => target.clone(),
        };
        plan.ids.push(digest_of(target)?);
        let mut blobs = BTreeMap::new();
        if save.platforms.is_empty() {
            Walk(self).blobs_of(&top, &mut blobs)?;
        } else {
            for m in &here {
                Walk(self).blobs_of(&m.descriptor, &mut blobs)?;
            }
            Walk(self).each(&top, 0, &mut |d, is_index| {
                if is_index {
                    blobs.insert(d.digest.clone(), d.clone());
                }
                Ok(())
            })?;
        }
        for blob in blobs.values() {
            let digest = digest_of(blob)?;
            if let Some(size) = self.inner.content.size_of(&digest)? {
                plan.blobs.insert(digest, size);
            }
        }
        top.annotations.retain(|k, _| k != NAME && k != REF_NAME);
        if let Some(name) = &name {
            top.annotations.insert(NAME.to_owned(), name.to_string());
            let tag = name.tag().map_or_else(|| name.to_string(), str::to_owned);
            top.annotations.insert(REF_NAME.to_owned(), tag);
        }
        plan.index.push(top);
        let best = best_of(&all, save.platforms.first()).or_else(|| here.first().copied());
        if let Some(best) = best {
            self.plan_docker(plan, best, name)?;
        }
        Ok(())
    }

    fn plan_docker(&self, plan: &mut Plan, best: &ManifestAt, name: Option<Reference>) -> Result<()> {
        let Some(record) = &best.record else { return Ok(()) };
        let tag = name.map(|n| n.familiar());
        if let Some((_, entry)) = plan.docker.iter_mut().find(|(d, _)| *d == best.descriptor.digest) {
            entry.repo_tags.get_or_insert_default().extend(tag);
            return Ok(());
        }
        let entry = DockerEntry {
            config: path_of(&record.config),
            repo_tags: tag.map(|t| vec![t]),
            layers: record.layers.iter().map(|l| path_of(&l.digest)).collect(),
        };
        plan.docker.push((best.descriptor.digest.clone(), entry));
        Ok(())
    }

    fn write_archive(&self, plan: &Plan, output: Pieces) -> Result<()> {
        let mut tar = Writer::new(output);
        let dirs: BTreeSet<String> = plan.blobs.keys().map(|d| format!("blobs/{}/", d.algorithm())).collect();
        for dir in std::iter::once("blobs/".to_owned()).chain(dirs) {
            tar.entry(&Entry::new(dir, Kind::Directory, 0o755), io::empty())?;
        }
        for (digest, size) in &plan.blobs {
            let mut entry = Entry::new(path_of(digest), Kind::Regular, 0o444);
            entry.size = *size;
            tar.entry(&entry, self.inner.content.reader(digest)?)?;
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            manifests: plan.index.clone(),
            ..Index::default()
        };
        let docker: Vec<&DockerEntry> = plan.docker.iter().map(|(_, e)| e).collect();
        let json = |e: serde_json::Error| Error::InvalidArchive(e.to_string());
        for (name, bytes) in [
            ("index.json", serde_json::to_vec(&index).map_err(json)?),
            ("manifest.json", serde_json::to_vec(&docker).map_err(json)?),
            ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ] {
            let mut entry = Entry::new(name, Kind::Regular, 0o444);
            entry.size = bytes.len() as u64;
            tar.entry(&entry, bytes.as_slice())?;
        }
        tar.finish()?;
        Ok(())
    }
}

/// The images that a name means for `save`: a repository without a tag means all of its tags.
fn chosen(names: &Names, typed: &str) -> Result<Vec<(Option<Reference>, Descriptor)>> {
    let found = names.resolve(typed);
    let reference = Reference::parse_normalized(typed).ok();
    let by_id = found.as_ref().is_ok_and(|(_, r)| {
        let hex = typed.strip_prefix("sha256:").unwrap_or(typed);
        r.target.digest.strip_prefix("sha256:").is_some_and(|d| d.starts_with(hex))
    }) || reference.as_ref().is_some_and(|r| r.digest().is_some());
    if let Some(reference) = reference.as_ref().filter(|r| !by_id && r.tag().is_none()) {
        let repo = reference.name();
        let all: Vec<_> = names
            .iter()
            .filter(|(n, _)| !is_dangling(n) && repository(n).as_deref() == Some(&repo))
            .filter_map(|(n, r)| Some((Some(Reference::parse_normalized(n).ok()?), r.target.clone())))
            .filter(|(n, _)| n.as_ref().is_some_and(|n| n.tag().is_some()))
            .collect();
        return match found {
            Err(e) if all.is_empty() => Err(e),
            _ => Ok(all),
        };
    }
    let (_, record) = found?;
    Ok(vec![(reference.filter(|_| !by_id), record.target.clone())])
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Gathers writes into pieces for the async side.
struct Pieces {
    tx: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&buf[..n]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        self.tx.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
