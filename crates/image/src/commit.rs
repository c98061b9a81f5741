//! `docker commit`: what a container's read-write layer holds.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::SyncSender;

use archive::{Packer, Whiteouts};
use bytes::Bytes;
use id::{ContainerId, Digest, Reference};
use oci::image::{Descriptor, History, Image as ImageDocument, ImageConfig, RootFs, media_type};

use crate::import::NewImage;
use crate::load::descriptor;
use crate::pipe::{Piece, Tee, pipe};
use crate::platform;
use crate::record::PARENT_LABEL;
use crate::remove::blocking;
use crate::unpack::{Unpacked, unpack};
use crate::{Error, ImageHandle, Result, Store};

const PIECE: usize = 256 << 10;
const PIECES: usize = 8;

/// An image to be made of a container.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The container.
    pub container: ContainerId,
    /// The image it was made from; `None` if it is gone (then nothing can be committed on it but its own layer).
    pub parent: Option<ImageHandle>,
    /// The config of the new image, changes applied.
    pub config: ImageConfig,
    /// Author, may be empty.
    pub author: String,
    /// Comment, may be empty.
    pub comment: String,
    /// The container's command, for the history.
    pub created_by: String,
    /// The name to give; none leaves it dangling.
    pub reference: Option<Reference>,
}

impl Store {
    /// Makes an image of a container's file system as it is now (the caller pauses it if it must hold still).
    ///
    /// # Errors
    /// If the layer cannot be read, or a full disk.
    pub async fn commit(&self, commit: Commit) -> Result<Digest> {
        let this = self.clone();
        let result = blocking(move || this.commit_blocking(&commit)).await;
        sys::process::trim_heap();
        result
    }

    fn commit_blocking(&self, commit: &Commit) -> Result<Digest> {
        let upper = self.rootfs().rw_mount(&commit.container, None)?.upper;
        let parent = commit.parent.as_ref();
        let mut layers = match parent {
            Some(parent) => self.layers_of(parent)?,
            None => Vec::new(),
        };
        let kept = layers.len();
        let mut fresh = None;
        if has_entries(&upper)? {
            let (layer, unpacked) = self.pack_layer(&upper)?;
            layers.push(layer);
            fresh = Some(unpacked);
        }
        let diff_id = fresh.as_ref().map(|f| f.diff_id.clone());
        let labels = parent.map(|p| (PARENT_LABEL.to_owned(), p.id.to_string())).into_iter();
        let new = NewImage {
            name: commit.reference.clone().map(|r| r.or_latest().to_string()),
            document: document(commit, diff_id),
            layers,
            labels: labels.collect::<BTreeMap<_, _>>(),
            kept,
        };
        new.add(self, |i| if i == kept { fresh.take().map(Ok) } else { None })
    }

    fn layers_of(&self, image: &ImageHandle) -> Result<Vec<Descriptor>> {
        let record = self.manifest_record(&image.manifest.digest);
        let record = record.ok_or_else(|| Error::NotFound(image.id.to_string()))?;
        Ok(record.layers.iter().map(|l| descriptor(&l.media_type, &l.digest, l.size)).collect())
    }

    /// Writes a tree in overlay form as a layer blob, and its snapshot at the same time.
    fn pack_layer(&self, upper: &Path) -> Result<(Descriptor, Unpacked)> {
        let open = |e: rustix::io::Errno| Error::Io { op: "open", path: upper.to_owned(), source: e.into() };
        let root = archive::open_dir(rustix::fs::CWD, upper).map_err(open)?;
        let mut blob = self.inner.content.ingest_new()?;
        let mut disk_error = None;
        let unpacked = std::thread::scope(|scope| {
            let (tx, rx) = pipe(PIECES);
            let packer = std::thread::Builder::new()
                .name("pack".to_owned())
                .stack_size(512 << 10)
                .spawn_scoped(scope, move || {
                    let mut packer = Packer::new(Pieces { tx, piece: Vec::new() }, Whiteouts::Overlay);
                    packer.add_contents(root, b"")?;
                    packer.finish()?.end();
                    Ok::<_, archive::Error>(())
                })
                .map_err(Error::Thread)?;
            let tee = Tee::new(rx, |bytes: &[u8]| {
                blob.write(bytes).map_err(|e| {
                    disk_error = Some(e);
                    io::Error::from(io::ErrorKind::WriteZero)
                })
            });
            let unpacked = unpack(&self.inner.snapshots, tee, Vec::new());
            match packer.join() {
                Ok(packed) => match (packed, unpacked) {
                    // A packer that could not write was left by the unpacker, which knows why.
                    (Err(archive::Error::Input(_)), Err(e)) => Err(e),
                    (Err(e), _) => Err(e.into()),
                    (Ok(()), unpacked) => unpacked,
                },
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        if let Some(e) = disk_error {
            return Err(e.into());
        }
        let unpacked = unpacked?;
        let (digest, size) = blob.commit()?;
        Ok((descriptor(media_type::OCI_LAYER, &digest, size), unpacked))
    }
}

fn has_entries(dir: &Path) -> Result<bool> {
    let mut entries =
        std::fs::read_dir(dir).map_err(|source| Error::Io { op: "read", path: dir.to_owned(), source })?;
    Ok(entries.next().is_some())
}

fn document(commit: &Commit, diff_id: Option<Digest>) -> ImageDocument {
    let now = jiff::Timestamp::now().to_string();
    let text = |s: &String| (!s.is_empty()).then(|| s.clone());
    let mut doc = match &commit.parent {
        Some(parent) => (*parent.document).clone(),
        None => {
            let host = platform::host();
            ImageDocument {
                architecture: host.architecture,
                os: host.os,
                variant: host.variant,
                rootfs: RootFs { r#type: "layers".to_owned(), diff_ids: Vec::new() },
                ..ImageDocument::default()
            }
        }
    };
    doc.created = Some(now.clone());
    doc.author = text(&commit.author);
    doc.config = Some(commit.config.clone());
    doc.history.push(History {
        created: Some(now),
        created_by: text(&commit.created_by),
        author: text(&commit.author),
        comment: text(&commit.comment),
        empty_layer: diff_id.is_none(),
    });
    doc.rootfs.diff_ids.extend(diff_id.map(|d| d.to_string()));
    doc
}

/// Gathers writes into pieces for another thread.
struct Pieces {
    tx: SyncSender<Piece>,
    piece: Vec<u8>,
}

impl Pieces {
    fn end(self) {
        let _ = self.tx.send(Piece::End);
    }
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
        self.tx.send(Piece::Data(Bytes::from(piece))).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
