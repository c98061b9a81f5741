//! Images out of an archive: `docker save`'s format and the OCI image layout (image specification,
//! image-layout.md), as one tar, plain or compressed. Read once, front to back; layers are unpacked while they are
//! read.

mod members;
mod targets;

pub(crate) use targets::descriptor;

use std::io::{BufReader, Read};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use crate::pipe::{Piece, PieceReader};
use crate::remove::blocking;
use crate::{Archives, Error, Load, Loaded, Progress, ProgressSink, Result, Store};

/// Size of a piece of input, and how many may wait.
const PIECE: usize = 256 << 10;
const PIECES: usize = 8;

impl Archives {
    /// Loads the images of a docker-archive or OCI layout tar (plain, gzip, zstd).
    ///
    /// # Errors
    /// A broken or hostile archive, a full disk.
    pub async fn load<R>(&self, input: R, load: Load, progress: ProgressSink) -> Result<Vec<Loaded>>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let store = self.store.clone();
        let loaded = with_blocking_reader(input, move |reader| load_from(&store, reader, &load)).await?;
        for one in &loaded {
            let line = match &one.name {
                Some(name) => format!("Loaded image: {name}\n"),
                None => format!("Loaded image ID: {}\n", one.id),
            };
            progress(Progress::Stream(line));
        }
        Ok(loaded)
    }

    /// [`Self::load`] for callers without a runtime: from memory or a file, on this thread.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_blocking(&self, input: &mut (dyn Read + Send), load: &Load) -> Result<Vec<Loaded>> {
        load_from(&self.store, &mut BufReader::with_capacity(PIECE, input), load)
    }
}

fn load_from(store: &Store, input: &mut (dyn std::io::BufRead + Send), load: &Load) -> Result<Vec<Loaded>> {
    let result = members::read(store, input).and_then(|members| targets::bring_in(store, members, load));
    // Buffers of a load are large; an idle daemon is small.
    sys::process::trim_heap();
    result
}

/// How long a client may go on sending what nobody wants any more.
const DRAIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs `work` on a blocking thread with a reader of the async stream.
pub(crate) async fn with_blocking_reader<R, T>(
    mut input: R,
    work: impl FnOnce(&mut (dyn std::io::BufRead + Send)) -> Result<T> + Send + 'static,
) -> Result<T>
where
    R: AsyncRead + Send + Unpin + 'static,
    T: Send + 'static,
{
    let (tx, rx) = mpsc::channel(PIECES);
    let worker = blocking(move || work(&mut PieceReader::new(rx)));
    let pump = async move {
        loop {
            let mut piece = bytes::BytesMut::with_capacity(PIECE);
            // A few reads fill a piece: fewer hand-offs.
            let done = loop {
                match input.read_buf(&mut piece).await {
                    Ok(0) => break Some(Piece::End),
                    Ok(_) if piece.len() >= PIECE / 2 => break None,
                    Ok(_) => {}
                    Err(e) => break Some(Piece::Failed(e)),
                }
            };
            if !piece.is_empty() && tx.send(Piece::Data(piece.freeze())).await.is_err() {
                // The worker has failed. A client that is cut off while it sends never sees why: take the rest.
                let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
                return;
            }
            if let Some(last) = done {
                let _ = tx.send(last).await;
                return;
            }
        }
    };
    // The pump is dropped with this future: a client that goes away ends the work.
    let (mut worker, mut pump) = (std::pin::pin!(worker), std::pin::pin!(pump));
    tokio::select! {
        result = &mut worker => {
            if result.is_err() {
                let _ = tokio::time::timeout(DRAIN_TIMEOUT, &mut pump).await;
            }
            result
        }
        () = &mut pump => worker.await,
    }
}

impl Error {
    fn ingest(name: &str, source: impl Into<Self>) -> Self {
        Self::Ingest { name: name.to_owned(), source: Box::new(source.into()) }
    }
}
