use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use api_compat::{Operation, Version};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::intake::Intake;
use crate::http::{ApiError, BodyReader, Form, Response, respond};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process on this host.
    Local {
        /// Its user.
        uid: Option<u32>,
        /// Its process id.
        pid: Option<i32>,
    },
    /// Over the network.
    Network {
        /// From where.
        address: SocketAddr,
        /// It showed a certificate of an authority that is let in.
        verified: bool,
    },
}

/// A request on its way to a handler. The query has been upgraded to the newest API version already.
pub struct Request<S> {
    /// What the handlers work on.
    pub state: Arc<S>,
    /// The API version that the client speaks.
    pub version: Version,
    /// Which operation this is.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// The part of the path that the route leaves open; empty if it has none.
    pub name: String,
    /// The arguments.
    pub form: Form,
    /// The headers.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: Arc<Peer>,
    pub(crate) body: Intake,
    pub(crate) upgrade: Option<OnUpgrade>,
    pub(crate) max_json: usize,
}

impl<S> std::fmt::Debug for Request<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("version", &self.version)
            .field("operation", &self.operation)
            .field("name", &self.name)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

impl<S> Request<S> {
    /// A header's value as text; empty if not there or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The `Content-Length`, 0 without a body, `None` when the body is chunked.
    pub fn content_length(&self) -> Option<u64> {
        use hyper::body::Body as _;
        match self.headers.get(CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|l| l.parse().ok()),
            None if self.body.is_end_stream() => Some(0),
            None => self.body.size_hint().exact(),
        }
    }

    /// The body as bytes to read.
    pub fn body_reader(self) -> BodyReader {
        BodyReader::new(self.body)
    }

    /// The whole body, at most `max` bytes.
    ///
    /// # Errors
    /// 413 if it is longer, 400 if it breaks off.
    pub async fn bytes(&mut self, max: usize) -> Result<Bytes, ApiError> {
        let body = Limited::new(&mut self.body, max);
        body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|e| {
            if e.is::<http_body_util::LengthLimitError>() {
                ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
            } else {
                ApiError::bad_request(format!("failed to read the request body: {e}"))
            }
        })
    }

    /// The JSON body, upgraded to the newest API version. `None` if there is no body.
    ///
    /// # Errors
    /// 400 in Docker's words if the content type or the JSON is wrong.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ApiError> {
        Ok(self.json_with_warnings().await?.map(|(value, _)| value))
    }

    /// [`Self::json`], and what the upgrade has to tell the user.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn json_with_warnings<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<String>)>, ApiError> {
        let length = self.content_length();
        self.check_json_type(length)?;
        if length == Some(0) {
            return Ok(None);
        }
        let bytes = self.bytes(self.max_json).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(ApiError::bad_request("invalid JSON: got EOF while reading request body"));
        }
        let invalid = |e: serde_json::Error| ApiError::bad_request(json_message(&e));
        if !api_compat::upgrades_body(self.operation) {
            return Ok(Some((serde_json::from_slice(&bytes).map_err(invalid)?, Vec::new())));
        }
        let mut value = serde_json::from_slice(&bytes).map_err(invalid)?;
        let warnings = api_compat::upgrade_body(self.version, self.operation, &mut value)?;
        Ok(Some((serde_json::from_value(value).map_err(invalid)?, warnings)))
    }

    fn check_json_type(&self, length: Option<u64>) -> Result<(), ApiError> {
        let given = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let given = String::from_utf8_lossy(given);
        if given.is_empty() && length == Some(0) {
            return Ok(());
        }
        if given.is_empty() {
            return Err(ApiError::bad_request("malformed Content-Type header (): mime: no media type"));
        }
        let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media == api_types::MEDIA_TYPE_JSON {
            return Ok(());
        }
        Err(ApiError::bad_request(format!(
            "unsupported Content-Type header ({given}): must be '{}'",
            api_types::MEDIA_TYPE_JSON
        )))
    }

    /// A JSON response, in the shape that the client's API version has.
    ///
    /// # Errors
    /// If the value cannot be encoded.
    pub fn reply<T: Serialize>(&self, status: StatusCode, value: &T) -> Result<Response, ApiError> {
        if !api_compat::downgrades(self.version, self.operation) {
            return respond::json(status, value);
        }
        let mut value = serde_json::to_value(value)
            .map_err(|e| ApiError::new(error::ErrorKind::System, format!("failed to encode the response: {e}")))?;
        api_compat::downgrade(self.version, self.operation, &mut value);
        respond::json(status, &value)
    }

    /// Whether the connection can be taken over (the client asked for it, or is of the old kind that never asks).
    pub fn can_hijack(&self) -> bool {
        self.upgrade.is_some()
    }
}

fn json_message(e: &serde_json::Error) -> String {
    match e.classify() {
        serde_json::error::Category::Eof => "invalid JSON: unexpected EOF".to_owned(),
        serde_json::error::Category::Syntax if e.to_string().starts_with("trailing characters") => {
            "unexpected content after JSON".to_owned()
        }
        _ => format!("invalid JSON: {e}"),
    }
}
