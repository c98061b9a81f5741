//! What is asked of registries and web servers without pulling: distribution, search, import from a URL.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use id::{Digest, Reference};
use image::{Action, Progress, ProgressSink};
use registry_client::{Credentials, Download, Hit};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::{Error, Images};

/// Progress of an import is told about so often, in bytes (as Docker does).
const PROGRESS_STEP: u64 = 512 << 10;
/// Pieces that wait between download and import.
const PIECES: usize = 16;

impl Images {
    /// What a registry has under a name.
    ///
    /// # Errors
    /// The registry's.
    pub async fn distribution(
        &self,
        reference: &Reference,
        auth: Option<Credentials>,
    ) -> Result<image::Distribution, Error> {
        Ok(image::distribution(&self.registry(), reference, auth).await?)
    }

    /// Searches the index of a registry.
    ///
    /// # Errors
    /// The registry's.
    pub async fn search(&self, term: &str, limit: u32, auth: Option<&Credentials>) -> Result<Vec<Hit>, Error> {
        Ok(self.registry().search(term, limit, auth).await.map_err(image::Error::from)?)
    }

    /// Makes an image from a root file system archive at a URL.
    ///
    /// # Errors
    /// The server's; as [`Images::import`].
    pub async fn import_url(&self, url: &str, import: image::Import, progress: ProgressSink) -> Result<Digest, Error> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let download = self.registry().download(&url).await.map_err(image::Error::from)?;
        progress(Progress::message(format!("Downloading from {url}")));
        let (sender, receiver) = mpsc::channel(PIECES);
        let pump = pump(download, sender, progress);
        let work = self.import(Pieces { receiver, piece: Bytes::new() }, import);
        let ((), made) = tokio::join!(pump, work);
        made
    }
}

/// Hands the download on; a failure is handed on, too, so that what came before it is not taken for the whole.
async fn pump(mut download: Download, sender: mpsc::Sender<io::Result<Bytes>>, progress: ProgressSink) {
    let total = download.length();
    let (mut current, mut told) = (0, 0);
    let tell = |current| progress(Progress::Layer { id: String::new(), action: Action::Importing, current, total });
    while let Some(piece) = download.next().await {
        let piece = piece.map_err(io::Error::other);
        current += piece.as_ref().map_or(0, |p| p.len() as u64);
        if sender.send(piece).await.is_err() {
            return;
        }
        if current - told > PROGRESS_STEP {
            tell(current);
            told = current;
        }
    }
    tell(current);
}

/// Pieces as a stream of bytes.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match ready!(self.receiver.poll_recv(cx)) {
                Some(piece) => self.piece = piece?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.piece.len().min(buf.remaining());
        buf.put_slice(&self.piece[..n]);
        self.piece.advance(n);
        Poll::Ready(Ok(()))
    }
}
