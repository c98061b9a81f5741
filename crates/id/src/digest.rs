use std::fmt;

use serde::{Deserialize, Serialize};

/// A content digest, `sha256:<64 hex digits>` (OCI image spec, descriptor.md; `sha512` is parsed, not produced).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a string is no digest. The texts are those of Docker's reference and digest libraries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The shape `algorithm:hex` is not there.
    #[error("invalid checksum digest format")]
    Format,
    /// The hexadecimal part has the wrong length for its algorithm.
    #[error("invalid checksum digest length")]
    Length,
    /// The algorithm is not one of sha256, sha512.
    #[error("unsupported digest algorithm")]
    Algorithm,
}

impl Digest {
    /// The digest whose SHA-256 sum is `sum`.
    pub fn sha256(sum: [u8; 32]) -> Self {
        Self::from_sum("sha256:", &sum)
    }

    /// The digest whose SHA-512 sum is `sum`.
    pub fn sha512(sum: [u8; 64]) -> Self {
        Self::from_sum("sha512:", &sum)
    }

    fn from_sum(prefix: &str, sum: &[u8]) -> Self {
        let mut s = String::with_capacity(prefix.len() + 2 * sum.len());
        s.push_str(prefix);
        for b in sum {
            use fmt::Write;
            let _ = write!(s, "{b:02x}");
        }
        Self(s)
    }

    /// The whole, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(a, _)| a)
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, h)| h)
    }

    /// The first 12 digits, as the command line shows them.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(s: String) -> Result<Self, DigestError> {
        let (algorithm, hex) = s.split_once(':').ok_or(DigestError::Format)?;
        if hex.is_empty() || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Format);
        }
        let want = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(DigestError::Algorithm),
        };
        if hex.len() == want { Ok(Self(s)) } else { Err(DigestError::Length) }
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;
    fn from_str(s: &str) -> Result<Self, DigestError> {
        Self::try_from(s.to_owned())
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> Self {
        d.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
