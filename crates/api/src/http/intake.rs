//! A request's body, and what becomes of the part that no handler wanted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;

/// Bytes of an unwanted body that are still taken from a client. A socket that is closed with unread bytes in it makes the
/// other end fail before it has read the answer.
const DRAIN: usize = 4 << 20;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A request's body. What is left of it when it is dropped goes to [`Leftover`].
#[derive(Debug)]
pub(crate) struct Intake {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

/// Where a dropped [`Intake`] leaves the rest.
#[derive(Debug)]
pub(crate) struct Leftover(oneshot::Receiver<Incoming>);

impl Intake {
    /// Wraps a body.
    pub(crate) fn new(body: Incoming) -> (Self, Leftover) {
        let (back, rest) = oneshot::channel();
        (Self { body: Some(body), back: Some(back) }, Leftover(rest))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it once the request is answered: it is dropped as well.
            let _ = back.send(body);
        }
    }
}

impl Leftover {
    /// Takes the rest of a body that its handler has dropped, within bounds, so that the client gets to read the answer.
    pub(crate) async fn drain(mut self) {
        let Ok(mut body) = self.0.try_recv() else { return };
        let mut room = DRAIN;
        let all = async {
            while let Some(Ok(frame)) = body.frame().await {
                let Some(left) = room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
                room = left;
            }
        };
        // Slower than that, the client has to live with a broken connection.
        let _ = tokio::time::timeout(DRAIN_TIME, all).await;
    }
}

impl Body for Intake {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
