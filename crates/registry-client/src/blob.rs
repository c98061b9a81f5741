use bytes::Bytes;

use crate::Error;

/// A blob as it comes. A broken connection is taken up again at the byte where it broke (`Range`), a bounded number of times.
#[derive(Debug)]
pub struct BlobStream {}

impl BlobStream {
    /// The next bytes; `None` after the last. Never more in all than the descriptor says.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        None
    }

    /// Where in the blob the next byte is.
    pub fn position(&self) -> u64 {
        0
    }

    /// Who sends it: the registry or a mirror.
    pub fn host(&self) -> &str {
        ""
    }
}
