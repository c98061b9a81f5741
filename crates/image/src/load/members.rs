//! The files of an archive, taken in as they come by.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};

use archive::{Compression, Decoder, Entry, Kind, Limits, Reader};
use bytes::Bytes;
use content::{Hasher, NewBlob};
use id::Digest;

use crate::pipe::{Piece, Pool, pipe};
use crate::unpack::{Unpacked, unpack, unpack_plain};
use crate::{Error, Result, Store};

/// Files up to this size are kept in memory: documents, version files, tiny layers.
const SMALL: u64 = 64 << 10;
/// Largest `manifest.json` or `index.json` (containerd's limit).
const MAX_JSON: u64 = 20 << 20;
/// All files in memory together.
const MAX_MEMORY: u64 = 64 << 20;
/// Pieces of a layer that wait for the unpacker.
const PIECES: usize = 16;
const PIECE: usize = 256 << 10;

/// What an archive holds.
#[derive(Default)]
pub(super) struct Members {
    files: BTreeMap<String, Member>,
    links: Vec<(String, String)>,
    by_digest: HashMap<Digest, String>,
    /// Digests by name; several names may have the same.
    digests: BTreeMap<String, Digest>,
    memory: u64,
}

/// One file.
pub(super) enum Member {
    /// Kept in memory.
    Small(Bytes),
    /// Written to disk, not yet published; unpacked on the way if it looked like a layer.
    Large { blob: Box<NewBlob>, compression: Compression, unpacked: Option<Box<Result<Unpacked>>> },
    /// Published.
    Stored { size: u64, compression: Compression },
}

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.files.get(&clean(name))
    }

    pub(super) fn small(&self, name: &str) -> Option<&Bytes> {
        match self.get(name) {
            Some(Member::Small(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The digest and size of a file, with links followed.
    pub(super) fn find(&self, name: &str) -> Option<(Digest, u64, Compression)> {
        let name = clean(name);
        let name = self.links.iter().find(|(link, _)| *link == name).map_or(&name, |(_, to)| to);
        let digest = self.digests.get(name)?.clone();
        self.files.get(name).map(|m| match m {
            Member::Small(b) => (digest, b.len() as u64, Compression::detect(b)),
            Member::Large { blob, compression, .. } => (digest, blob.size(), *compression),
            Member::Stored { size, compression } => (digest, *size, *compression),
        })
    }

    /// The first link that leads nowhere.
    pub(super) fn broken_link(&self) -> Option<&(String, String)> {
        self.links.iter().find(|(_, to)| !self.files.contains_key(to))
    }

    /// A document by digest, from memory, disk, or what the store has.
    pub(super) fn document(&self, store: &Store, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.by_digest.get(digest).and_then(|n| self.files.get(n)) {
            Some(Member::Small(bytes)) => return Ok(Some(bytes.to_vec())),
            Some(Member::Large { blob, .. }) if blob.size() <= limit => {
                let mut out = Vec::new();
                blob.reader()?.take(limit).read_to_end(&mut out).map_err(Error::Input)?;
                return Ok(Some(out));
            }
            _ => {}
        }
        match store.inner.content.read(digest, limit) {
            Err(content::Error::NotFound(_)) => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// The size of a blob, wherever it is.
    pub(super) fn size(&self, store: &Store, digest: &Digest) -> Result<Option<u64>> {
        Ok(match self.by_digest.get(digest).and_then(|n| self.files.get(n)) {
            Some(Member::Small(bytes)) => Some(bytes.len() as u64),
            Some(Member::Large { blob, .. }) => Some(blob.size()),
            Some(Member::Stored { size, .. }) => Some(*size),
            None => store.inner.content.size_of(digest)?,
        })
    }

    /// Publishes a blob; gives what was unpacked of it.
    pub(super) fn publish(&mut self, store: &Store, digest: &Digest) -> Result<Option<Result<Unpacked>>> {
        let Some(member) = self.by_digest.get(digest).and_then(|n| self.files.get_mut(n)) else { return Ok(None) };
        match member {
            Member::Small(bytes) => {
                store.inner.content.put_as(digest, bytes)?;
                Ok(None)
            }
            Member::Stored { .. } => Ok(None),
            Member::Large { blob, compression, .. } => {
                let stored = Member::Stored { size: blob.size(), compression: *compression };
                let Member::Large { blob, unpacked, .. } = std::mem::replace(member, stored) else { return Ok(None) };
                blob.commit()?;
                Ok(unpacked.map(|u| *u))
            }
        }
    }
}

/// A name as the archive's other files refer to it.
fn clean(name: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(out.pop()),
            part => out.push(part),
        }
    }
    out.join("/")
}

/// Reads the whole archive.
pub(super) fn read(store: &Store, input: &mut (dyn BufRead + Send)) -> Result<Members> {
    let limits = Limits { entries: 100_000, ..Limits::default() };
    let mut reader = Reader::new(Decoder::new(input)?, limits);
    let mut members = Members::default();
    while let Some(entry) = reader.next_entry()? {
        let name = clean(&entry.display());
        match entry.kind {
            Kind::Symlink => {
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                let target = clean(&format!("{dir}/{}", String::from_utf8_lossy(&entry.link)));
                members.links.push((name, target));
            }
            Kind::Regular => {
                let (member, digest) =
                    take(store, &mut members.memory, &name, &entry, &mut reader).map_err(|e| match e {
                        Error::Archive(archive::Error::UnexpectedEof) => {
                            let short = Error::ShortRead { want: entry.size, got: entry.size - reader.remaining() };
                            Error::ingest(&name, short)
                        }
                        e => Error::ingest(&name, e),
                    })?;
                // Of files with the same bytes (layers of the same content) the first one is it.
                members.by_digest.entry(digest.clone()).or_insert_with(|| name.clone());
                members.digests.insert(name.clone(), digest);
                members.files.insert(name, member);
            }
            _ => {}
        }
    }
    reader.drain()?;
    Ok(members)
}

fn take<R: BufRead>(
    store: &Store,
    memory: &mut u64,
    name: &str,
    entry: &Entry,
    reader: &mut Reader<R>,
) -> Result<(Member, Digest)> {
    let json = matches!(name, "manifest.json" | "index.json" | "oci-layout");
    if entry.size <= if json { MAX_JSON } else { SMALL } && entry.sparse.is_none() {
        *memory += entry.size;
        if *memory > MAX_MEMORY {
            return Err(archive::Error::Budget { what: "bytes of small files", limit: MAX_MEMORY }.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        reader.data().read_to_end(&mut bytes).map_err(archive::Error::from_input)?;
        let digest = Hasher::digest(&bytes);
        return Ok((Member::Small(bytes.into()), digest));
    }
    large(store, reader)
}

/// Writes a large file to disk, and unpacks it at the same time if it looks like a layer.
fn large<R: BufRead>(store: &Store, reader: &mut Reader<R>) -> Result<(Member, Digest)> {
    let mut blob = store.inner.content.ingest_new()?;
    let pool = Pool::new(PIECE);
    let mut piece = || pool.read(&mut reader.data()).map_err(archive::Error::from_input);
    let first = piece()?;
    let compression = Compression::detect(&first);
    if compression == Compression::None && !is_tar(&first) {
        blob.write(&first)?;
        loop {
            let next = piece()?;
            if next.is_empty() {
                break;
            }
            blob.write(&next)?;
        }
        let digest = blob.digest();
        return Ok((Member::Large { blob: Box::new(blob), compression, unpacked: None }, digest));
    }
    let (digest, unpacked) = std::thread::scope(|scope| {
        let (tx, rx) = pipe(PIECES);
        let snapshots = &store.inner.snapshots;
        let unpacker = std::thread::Builder::new()
            .name("unpack".to_owned())
            .stack_size(512 << 10)
            .spawn_scoped(scope, move || match compression {
                Compression::None => unpack_plain(snapshots, rx),
                _ => unpack(snapshots, rx, Vec::new()),
            })
            .map_err(Error::Thread)?;
        let mut next = first;
        let mut listening = true;
        while !next.is_empty() {
            // An unpacker that has failed keeps its error; the blob is still taken in.
            listening = listening && tx.send(Piece::Data(next.clone())).is_ok();
            blob.write(&next)?;
            next = piece()?;
        }
        let _ = tx.send(Piece::End);
        let digest = blob.digest();
        let unpacked = match unpacker.join() {
            Ok(unpacked) => unpacked,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok::<_, Error>((digest, unpacked))
    })?;
    let unpacked = unpacked.map(|mut u| {
        if compression == Compression::None {
            u.diff_id = digest.clone();
        }
        u
    });
    Ok((Member::Large { blob: Box::new(blob), compression, unpacked: Some(Box::new(unpacked)) }, digest))
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}
