//! From a layer's blob to its snapshot.
//!
//! ```text
//! compressed bytes ─► (thread 1) decode ─► pieces ─► (thread 2) hash, parse, write files
//! ```
//! Layers are unpacked on their own. One that leans on what is below it (`archive::Applied::needs_lower`) is
//! unpacked again when its parents are there, and then belongs to that chain only.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufRead};
use std::os::fd::OwnedFd;

use archive::{Applied, Applier, ApplyOptions, Compression, Decoder, Limits, Reader};
use content::Hasher;
use id::Digest;
use oci::image::Descriptor;
use snapshot::{LayerInfo, Staged};

use crate::pipe::{Piece, Pool, Tee, pipe};
use crate::record::{ManifestRecord, digest_of};
use crate::rootfs::chain_id;
use crate::{Error, Result, Store};

/// Size of a decoded piece, and how many may wait.
const PIECE: usize = 256 << 10;
const PIECES: usize = 8;

/// A layer that was unpacked and is not visible yet.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) staged: Staged,
    pub(crate) applied: Applied,
    pub(crate) diff_id: Digest,
}

impl Unpacked {
    /// Without the sizes, which count from the publication on.
    pub(crate) fn info(&self) -> LayerInfo {
        let Applied { needs_lower, opaque_root, .. } = self.applied;
        LayerInfo { needs_lower, opaque_root, ..LayerInfo::default() }
    }
}

/// Unpacks a stream (compressed or not) into a new staging directory.
pub(crate) fn unpack(
    snapshots: &snapshot::Store,
    input: impl BufRead + Send,
    lowers: Vec<OwnedFd>,
) -> Result<Unpacked> {
    let staged = snapshots.stage()?;
    let root = staged.root()?;
    let decoder = Decoder::new(input)?;
    let (applied, diff_id) = if decoder.compression() == Compression::None {
        apply(decoder, root, lowers)?
    } else {
        decode_and_apply(decoder, root, lowers)?
    };
    Ok(Unpacked { staged, applied, diff_id })
}

/// Unpacks a stream that is known to be plain; the caller hashes it and fills in `diff_id`.
pub(crate) fn unpack_plain(snapshots: &snapshot::Store, input: impl BufRead) -> Result<Unpacked> {
    let staged = snapshots.stage()?;
    let applier = Applier::new(staged.root()?, ApplyOptions::default());
    let applied = applier.apply(&mut Reader::new(input, Limits::default()))?;
    Ok(Unpacked { staged, applied, diff_id: Digest::sha256([0; 32]) })
}

fn apply(input: impl BufRead, root: OwnedFd, lowers: Vec<OwnedFd>) -> Result<(Applied, Digest)> {
    let mut hasher = Hasher::default();
    let tee = Tee::new(input, |bytes: &[u8]| {
        hasher.update(bytes);
        Ok(())
    });
    let options = ApplyOptions { lowers, ..ApplyOptions::default() };
    let applied = Applier::new(root, options).apply(&mut Reader::new(tee, Limits::default()))?;
    Ok((applied, hasher.finish()))
}

/// Decodes on this thread and writes files on another.
fn decode_and_apply<R: BufRead + Send>(
    mut decoder: Decoder<R>,
    root: OwnedFd,
    lowers: Vec<OwnedFd>,
) -> Result<(Applied, Digest)> {
    std::thread::scope(|scope| {
        let (tx, rx) = pipe(PIECES);
        let writer = std::thread::Builder::new()
            .name("unpack".to_owned())
            .stack_size(512 << 10)
            .spawn_scoped(scope, move || apply(rx, root, lowers))
            .map_err(Error::Thread)?;
        let pool = Pool::new(PIECE);
        let decoded = loop {
            match pool.read(&mut decoder) {
                Ok(piece) if piece.is_empty() => break Ok(()),
                Ok(piece) => {
                    if tx.send(Piece::Data(piece)).is_err() {
                        // The writer has failed and knows why.
                        break Ok(());
                    }
                }
                Err(e) => break Err(archive::Error::from_input(e)),
            }
        };
        match decoded {
            Ok(()) => drop(tx.send(Piece::End)),
            Err(e) => {
                drop(tx);
                // The writer sees an aborted stream; the reason is here.
                let _ = writer.join();
                return Err(e.into());
            }
        }
        match writer.join() {
            Ok(Ok(out)) => {
                // Bytes behind the end of the compressed stream belong to the blob.
                io::copy(&mut decoder.into_inner(), &mut io::sink()).map_err(archive::Error::from_input)?;
                Ok(out)
            }
            Ok(Err(e)) => Err(e),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The layers of one manifest on their way to being visible.
pub(crate) struct Assembly<'a> {
    store: &'a Store,
    diff_ids: &'a [Digest],
    blobs: &'a [Digest],
    keys: Vec<String>,
    /// What is unpacked for each layer and not visible yet.
    fresh: Vec<Option<Unpacked>>,
    /// Blobs that were seen to unpack to a layer, once needed.
    known: Option<HashSet<(Digest, Digest)>>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(store: &'a Store, diff_ids: &'a [Digest], blobs: &'a [Digest]) -> Self {
        Self { store, diff_ids, blobs, keys: Vec::new(), fresh: diff_ids.iter().map(|_| None).collect(), known: None }
    }

    /// Takes what was unpacked already for layer `i`.
    pub(crate) fn offer(&mut self, i: usize, unpacked: Unpacked) -> Result<()> {
        if unpacked.diff_id != self.diff_ids[i] {
            return Err(Error::DiffId { want: self.diff_ids[i].clone(), got: unpacked.diff_id });
        }
        self.fresh[i] = Some(unpacked);
        Ok(())
    }

    /// Unpacks what is missing from the blobs; afterwards every layer has a snapshot or is fresh.
    pub(crate) fn complete(&mut self) -> Result<()> {
        for i in 0..self.diff_ids.len() {
            let (key, fresh) = self.layer(i)?;
            self.keys.push(key);
            self.fresh[i] = fresh;
        }
        Ok(())
    }

    fn layer(&mut self, i: usize) -> Result<(String, Option<Unpacked>)> {
        let diff = &self.diff_ids[i];
        if let Some(key) = layer_key(self.store, self.diff_ids, i)? {
            if self.fresh[i].is_none() {
                self.check_known(i)?;
            }
            return Ok((key, None));
        }
        // The same layer twice in one image is unpacked once.
        let same = |b: &usize| self.diff_ids[*b] == *diff && self.blobs[*b] == self.blobs[i];
        if let Some(before) = (0..i).find(|b| same(b) && self.keys[*b] == diff.hex()) {
            let leans = self.fresh[before].as_ref().is_some_and(|f| f.applied.needs_lower);
            if !leans {
                return Ok((diff.hex().to_owned(), None));
            }
        }
        let fresh = match self.fresh[i].take() {
            Some(fresh) => fresh,
            None => self.unpack_blob(i, Vec::new())?,
        };
        if i == 0 && fresh.applied.missing_link {
            // Nothing is below: unpacked over an empty tree, it says which link leads nowhere.
            let nothing = self.store.inner.snapshots.stage()?;
            let fresh = self.unpack_blob(i, vec![nothing.root()?])?;
            return Ok((diff.hex().to_owned(), Some(fresh)));
        }
        if !fresh.applied.needs_lower || i == 0 {
            return Ok((diff.hex().to_owned(), Some(fresh)));
        }
        drop(fresh);
        let mut fresh = self.unpack_blob(i, self.roots_below(i)?)?;
        // It was made with a look below: fit for this chain only.
        fresh.applied.needs_lower = true;
        let chain = chain_id(&self.diff_ids[..=i]).ok_or(Error::Cancelled)?;
        Ok((chain.hex().to_owned(), Some(fresh)))
    }

    /// A layer that is unpacked already must not lend its name to a blob with something else in it.
    fn check_known(&mut self, i: usize) -> Result<()> {
        if self.known.is_none() {
            let records = self.store.manifest_records();
            let layers = records.values().flat_map(|r| &r.layers);
            self.known = Some(layers.map(|l| (l.digest.clone(), l.diff_id.clone())).collect());
        }
        let (blob, want) = (&self.blobs[i], &self.diff_ids[i]);
        let known = self.known.as_ref().is_some_and(|k| k.contains(&(blob.clone(), want.clone())));
        if known || blob == want {
            return Ok(());
        }
        let file = io::BufReader::with_capacity(PIECE, self.store.inner.content.reader(blob)?);
        let mut hasher = Hasher::like(want);
        let mut decoder = Decoder::new(file)?;
        loop {
            let piece = decoder.fill_buf().map_err(archive::Error::from_input)?;
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            let n = piece.len();
            decoder.consume(n);
        }
        let got = hasher.finish();
        if got == *want { Ok(()) } else { Err(Error::DiffId { want: want.clone(), got }) }
    }

    fn unpack_blob(&self, i: usize, lowers: Vec<OwnedFd>) -> Result<Unpacked> {
        let file = self.store.inner.content.reader(&self.blobs[i])?;
        let unpacked = unpack(&self.store.inner.snapshots, io::BufReader::with_capacity(PIECE, file), lowers)?;
        if unpacked.diff_id == self.diff_ids[i] {
            return Ok(unpacked);
        }
        Err(Error::DiffId { want: self.diff_ids[i].clone(), got: unpacked.diff_id })
    }

    /// The trees of the layers below `i`, topmost first.
    fn roots_below(&self, i: usize) -> Result<Vec<OwnedFd>> {
        (0..i)
            .rev()
            .map(|b| match &self.fresh[b] {
                Some(fresh) => Ok(fresh.staged.root()?),
                None => self.root_of(b),
            })
            .collect()
    }

    fn root_of(&self, b: usize) -> Result<OwnedFd> {
        let same = (0..b).find(|x| self.keys[*x] == self.keys[b]).and_then(|x| self.fresh[x].as_ref());
        match same {
            Some(fresh) => Ok(fresh.staged.root()?),
            None => Ok(self.store.inner.snapshots.open_layer(&self.keys[b])?),
        }
    }

    /// Makes the fresh layers durable and visible. Gives the keys, lowest first, and their bytes.
    pub(crate) fn publish(self) -> Result<(Vec<String>, u64)> {
        let snapshots = &self.store.inner.snapshots;
        let fresh = self.fresh.into_iter().zip(&self.keys);
        let layers =
            fresh.filter_map(|(f, key)| f.map(|f| (f.info(), f, key.clone()))).map(|(i, f, k)| (f.staged, k, i));
        snapshots.publish(layers.collect())?;
        let mut bytes = 0;
        // A layer that the image has twice lies on disk once.
        for key in self.keys.iter().collect::<BTreeSet<_>>() {
            bytes += snapshots.layer(key)?.map_or(0, |l| l.bytes);
        }
        Ok((self.keys, bytes))
    }
}

/// The snapshot of layer `i` in this chain, if there is one.
pub(crate) fn layer_key(store: &Store, diff_ids: &[Digest], i: usize) -> Result<Option<String>> {
    let snapshots = &store.inner.snapshots;
    let own = diff_ids[i].hex();
    if let Some(info) = snapshots.layer(own)?
        && (i == 0 || !info.needs_lower)
    {
        return Ok(Some(own.to_owned()));
    }
    let Some(chain) = chain_id(&diff_ids[..=i]).filter(|_| i > 0) else { return Ok(None) };
    Ok(snapshots.layer(chain.hex())?.map(|_| chain.hex().to_owned()))
}

/// Unpacks a manifest whose blobs are here; gives the keys of its layers.
pub(crate) fn unpack_now(store: &Store, manifest: &Descriptor, mut record: ManifestRecord) -> Result<Vec<String>> {
    let diff_ids = record.diff_ids();
    let blobs: Vec<Digest> = record.layers.iter().map(|l| l.digest.clone()).collect();
    let mut assembly = Assembly::new(store, &diff_ids, &blobs);
    assembly.complete()?;
    (record.keys, record.unpacked) = assembly.publish()?;
    let keys = record.keys.clone();
    let digest = digest_of(manifest)?;
    store.change(|_, change| {
        change.put_manifest(digest, record);
        Ok(())
    })?;
    Ok(keys)
}
