//! Layers.

use std::io::Write;

use tar::{EntryType, Header};

use super::{Blob, sha256};

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// A layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The tar itself.
    pub tar: Vec<u8>,
    /// Its digest.
    pub diff_id: String,
    /// As it travels.
    pub blob: Blob,
    pub(super) created_by: String,
    compression: Compression,
}

/// A tar in the making. Entries appear in the order of the calls.
pub struct LayerBuilder {
    tar: tar::Builder<Vec<u8>>,
    created_by: String,
}

impl Layer {
    /// Begins an empty layer.
    pub fn builder() -> LayerBuilder {
        LayerBuilder { tar: tar::Builder::new(Vec::new()), created_by: "testkit".to_owned() }
    }

    /// A layer of one file of `size` bytes that do not compress.
    pub fn noise(name: &str, size: usize, seed: u64) -> LayerBuilder {
        let mut state = seed | 1;
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(size);
        Self::builder().file(name, &bytes)
    }

    /// A layer from any bytes, be they a tar or not.
    pub fn raw(tar: Vec<u8>, compression: Compression) -> Self {
        let (media_type, packed) = match compression {
            Compression::None => ("application/vnd.oci.image.layer.v1.tar", tar.clone()),
            Compression::Gzip => ("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&tar)),
            Compression::Zstd => {
                let packed = zstd::encode_all(&tar[..], 3).expect("compressing memory to memory does not fail");
                ("application/vnd.oci.image.layer.v1.tar+zstd", packed)
            }
        };
        Self {
            diff_id: sha256(&tar),
            blob: Blob::new(media_type, packed),
            tar,
            created_by: "testkit".to_owned(),
            compression,
        }
    }

    pub(super) fn use_docker_type(&mut self) {
        let media_type = match self.compression {
            Compression::None => "application/vnd.docker.image.rootfs.diff.tar",
            Compression::Gzip => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Compression::Zstd => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        };
        media_type.clone_into(&mut self.blob.media_type);
    }
}

impl std::fmt::Debug for LayerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerBuilder").field("bytes", &self.tar.get_ref().len()).finish_non_exhaustive()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("compressing memory to memory does not fail")
}

impl LayerBuilder {
    /// A file, mode 0644, of root.
    #[must_use]
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, 0o644, bytes, None)
    }

    /// A program, mode 0755.
    #[must_use]
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, 0o755, bytes, None)
    }

    /// A directory with that mode.
    #[must_use]
    pub fn dir(self, path: &str, mode: u32) -> Self {
        self.entry(path, EntryType::Directory, mode, &[], None)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Symlink, 0o777, &[], Some(target))
    }

    /// A hard link to an earlier entry.
    #[must_use]
    pub fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Link, 0o644, &[], Some(target))
    }

    /// Takes a file of a lower layer away.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let marker = match path.rsplit_once('/') {
            Some((dir, name)) => format!("{dir}/.wh.{name}"),
            None => format!(".wh.{path}"),
        };
        self.file(&marker, &[])
    }

    /// Hides all that lower layers have in a directory.
    #[must_use]
    pub fn opaque(self, dir: &str) -> Self {
        self.file(&format!("{dir}/.wh..wh..opq"), &[])
    }

    /// Any entry, the wicked ones included: the path is written as it stands (`../x`, `/x`).
    #[must_use]
    pub fn entry(mut self, path: &str, kind: EntryType, mode: u32, bytes: &[u8], target: Option<&str>) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        let gnu = header.as_gnu_mut().expect("a GNU header");
        assert!(path.len() < gnu.name.len(), "testkit layers have short paths: {path}");
        gnu.name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(target) = target {
            assert!(target.len() < gnu.linkname.len(), "testkit layers have short link targets: {target}");
            gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        self.tar.append(&header, bytes).expect("writing to memory does not fail");
        self
    }

    /// What `docker history` shows.
    #[must_use]
    pub fn created_by(mut self, text: &str) -> Self {
        text.clone_into(&mut self.created_by);
        self
    }

    /// Ends the layer, packed by gzip.
    pub fn gzip(self) -> Layer {
        self.pack(Compression::Gzip)
    }

    /// Ends the layer.
    pub fn pack(self, compression: Compression) -> Layer {
        let tar = self.tar.into_inner().expect("writing to memory does not fail");
        Layer { created_by: self.created_by, ..Layer::raw(tar, compression) }
    }
}
