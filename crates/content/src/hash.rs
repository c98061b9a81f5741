use std::fmt;

use id::Digest;
use sha2::{Digest as _, Sha256, Sha512};

/// Computes a [`Digest`] while bytes pass by.
#[derive(Clone)]
pub struct Hasher(Algorithm);

#[derive(Clone)]
enum Algorithm {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Algorithm::Sha256(_) => "Hasher(sha256)",
            Algorithm::Sha512(_) => "Hasher(sha512)",
        })
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self(Algorithm::Sha256(Sha256::new()))
    }
}

impl Hasher {
    /// With the algorithm of `digest`.
    pub fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self(Algorithm::Sha512(Box::new(Sha512::new()))),
            _ => Self::default(),
        }
    }

    /// The digest of one piece of memory.
    pub fn digest(bytes: &[u8]) -> Digest {
        let mut h = Self::default();
        h.update(bytes);
        h.finish()
    }

    /// The digest of one piece of memory, with the algorithm of `like`.
    pub fn digest_like(like: &Digest, bytes: &[u8]) -> Digest {
        let mut h = Self::like(like);
        h.update(bytes);
        h.finish()
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(h) => h.update(bytes),
            Algorithm::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self.0 {
            Algorithm::Sha256(h) => Digest::sha256(h.finalize().into()),
            Algorithm::Sha512(h) => {
                let sum: [u8; 64] = h.finalize().into();
                Digest::sha512(sum)
            }
        }
    }
}
