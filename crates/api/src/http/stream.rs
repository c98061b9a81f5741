use std::io;

use hyper::StatusCode;
use serde::Serialize;

use crate::http::{Body, BodySender, Response, respond};

/// A stream of JSON values, one per line, each sent at once.
#[derive(Debug, Clone)]
pub struct JsonLines {
    sender: BodySender,
    sequence: bool,
    end: &'static [u8],
}

impl JsonLines {
    /// A `200` response and the end to write its lines to.
    pub fn open(content_type: &'static str) -> (Self, Response) {
        let (sender, body) = Body::chunks();
        let sequence = content_type == api_types::MEDIA_TYPE_JSON_SEQUENCE;
        (Self { sender, sequence, end: b"\n" }, respond::with_type(StatusCode::OK, content_type, body))
    }

    /// The same with the line ends that Docker's progress streams have.
    pub fn open_crlf(content_type: &'static str) -> (Self, Response) {
        let (lines, response) = Self::open(content_type);
        (Self { end: b"\r\n", ..lines }, response)
    }

    /// Sends one value.
    ///
    /// # Errors
    /// `BrokenPipe` when the client is gone; `InvalidData` if the value cannot be encoded.
    pub async fn send<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut line = Vec::with_capacity(256);
        if self.sequence {
            line.push(0x1e);
        }
        serde_json::to_writer(&mut line, value).map_err(io::Error::from)?;
        line.extend_from_slice(self.end);
        self.sender.send(line).await
    }

    /// Resolves when the client is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}
