use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use id::Digest;
use oci::image::Descriptor;
use tokio::io::{AsyncRead, ReadBuf};

use crate::auth::push_field;
use crate::host::{Endpoint, may_lead_to};
use crate::repository::parse_digest;
use crate::request::{Answer, Call, Last, call, go_method, pause, resolve, shown_url};
use crate::transport::Body;
use crate::{Error, Repository, TransportError};

/// How often an upload is begun at most.
const ATTEMPTS: u32 = 5;
/// An upload that has not moved for so long is begun anew.
const STALL: Duration = Duration::from_secs(60);
const BLOCK: usize = 64 * 1024;

/// Gives a blob's bytes from an offset on, anew for each attempt to send them.
pub trait BlobSource: Send + Sync {
    /// Opens the blob at byte `offset`.
    fn open(&self, offset: u64) -> OpenBlob<'_>;
}

/// What [`BlobSource::open`] gives.
pub type OpenBlob<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn AsyncRead + Send + Unpin>>> + Send + 'a>>;

/// How a blob came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// It was there.
    Existed,
    /// It was taken from another repository.
    FromOther,
    /// It has to be uploaded.
    Not,
}

/// Where an upload goes: what the registry answered to its beginning.
#[derive(Debug)]
struct Session {
    uri: Uri,
    /// The registry itself, so that tokens may be sent along.
    at_home: bool,
}

impl Repository {
    /// Whether the registry has this manifest.
    pub async fn has_manifest(&self, manifest: &Digest) -> Result<bool, Error> {
        self.exists(&format!("manifests/{manifest}")).await
    }

    /// Whether the registry has this blob in this repository; else asks it to take it from `from` (a path on the same registry).
    pub async fn ensure_blob(&self, blob: &Digest, from: Option<&str>) -> Result<Mounted, Error> {
        if self.exists(&format!("blobs/{blob}")).await? {
            return Ok(Mounted::Existed);
        }
        let Some(from) = from.filter(|from| *from != self.reference().path()) else { return Ok(Mounted::Not) };
        let mut query = String::new();
        push_field(&mut query, "mount", blob.as_str());
        push_field(&mut query, "from", from);
        let post =
            self.push_call(Method::POST, &format!("blobs/uploads/?{query}")).scope(format!("repository:{from}:pull"));
        let endpoint = self.registry()?;
        match self.ask(endpoint, &post).await {
            Ok(answer) if answer.status() == StatusCode::CREATED => Ok(Mounted::FromOther),
            Ok(answer) => {
                // An upload was begun instead: not used, the registry sweeps it.
                tracing::debug!(status = %answer.status(), "no mount of {blob} from {from}");
                Ok(Mounted::Not)
            }
            // No right to read there.
            Err(Error::AccessDenied { .. } | Error::Registry { .. } | Error::Token { .. } | Error::Status { .. }) => {
                Ok(Mounted::Not)
            }
            Err(e) => Err(e),
        }
    }

    /// Uploads a blob. `sent` is told the bytes sent so far (and a smaller number when an attempt is repeated).
    ///
    /// # Errors
    /// [`Error::Source`], or why the registry did not take it after several attempts.
    pub async fn upload_blob(
        &self,
        blob: &Descriptor,
        source: &dyn BlobSource,
        sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        let digest = parse_digest(blob)?;
        let size = u64::try_from(blob.size)
            .map_err(|_| Error::Malformed { what: "descriptor", why: format!("size {}", blob.size) })?;
        let mut attempt = 1;
        loop {
            let failure = match self.upload_once(&digest, size, source, sent).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let passing = match &failure {
                Error::Request { source, .. } => source.is_transient(),
                Error::Status { code, .. } | Error::Registry { status: code, .. } => {
                    *code >= 500 || matches!(code, 408 | 429 | 401 | 404)
                }
                _ => false,
            };
            if !passing || attempt == ATTEMPTS {
                return Err(failure);
            }
            tracing::debug!(%digest, attempt, error = %failure, "upload broke off, repeating");
            pause(&self.inner.client, attempt, None).await;
            attempt += 1;
            // The registry may have it all the same.
            if self.exists(&format!("blobs/{digest}")).await? {
                return Ok(());
            }
        }
    }

    /// Uploads a manifest or index under its digest, or under `tag`.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`]: the registry stored something else; or why it did not take it.
    pub async fn put_manifest(&self, manifest: &Descriptor, bytes: Bytes, tag: Option<&str>) -> Result<(), Error> {
        let digest = parse_digest(manifest)?;
        let object = tag.unwrap_or(digest.as_str());
        // Finds out how the registry is spoken to and logs in, which a question without a body does better.
        if self.has_manifest(&digest).await? && tag.is_none() {
            return Ok(());
        }
        let endpoint = self.registry()?;
        let what = self.push_call(Method::PUT, &format!("manifests/{object}"));
        let mut attempt = 1;
        loop {
            let uri = self.first_uri(endpoint, &what)?;
            let media_type = HeaderValue::from_str(&manifest.media_type)
                .map_err(|e| Error::Malformed { what: "descriptor", why: e.to_string() })?;
            let body = Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync();
            let session = Session { uri, at_home: true };
            let result = self.send(&session, &what, body, Some(media_type)).await;
            match result {
                Ok(answer) if answer.status().is_success() => {
                    return match answer.text("docker-content-digest").map(str::parse::<Digest>) {
                        Some(Ok(got)) if got != digest => Err(Error::DigestMismatch { got, want: digest }),
                        _ => Ok(()),
                    };
                }
                Ok(answer) if attempt < ATTEMPTS && passing_status(answer.status()) => {}
                Ok(answer) => return Err(self.access_error(Some(answer.into_error().await))),
                Err(Error::Request { source, .. }) if attempt < ATTEMPTS && source.is_transient() => {}
                Err(e) => return Err(self.access_error(Some(e))),
            }
            pause(&self.inner.client, attempt, None).await;
            attempt += 1;
        }
    }

    /// The first host that takes content: a mirror only where `hosts.toml` says so.
    fn registry(&self) -> Result<&Endpoint, Error> {
        let first = self.inner.endpoints.iter().find(|e| e.capabilities.push);
        first.ok_or_else(|| match &self.inner.invalid {
            Some(why) => Error::Hosts { why: why.clone() },
            None => Error::Challenge { why: "no push hosts".to_owned() },
        })
    }

    fn push_call(&self, method: Method, what: &str) -> Call {
        let path = self.reference().path();
        Call::new(method, format!("/v2/{path}/{what}")).scope(format!("repository:{path}:pull,push"))
    }

    async fn ask(&self, endpoint: &Endpoint, what: &Call) -> Result<Answer, Error> {
        let answer = call(&self.inner.client, &self.inner.auth, endpoint, what, Last::Yes).await;
        answer.map_err(|e| self.push_error(e))
    }

    fn push_error(&self, error: Error) -> Error {
        match error {
            Error::AccessDenied { .. } | Error::NoBasicAuth { .. } => {
                Error::PushDenied { name: self.reference().familiar_name() }
            }
            other => other,
        }
    }

    async fn exists(&self, what: &str) -> Result<bool, Error> {
        let head = self.push_call(Method::HEAD, what).accept("*/*");
        let answer = self.ask(self.registry()?, &head).await?;
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(answer.into_error().await),
        }
    }

    async fn upload_once(
        &self,
        digest: &Digest,
        size: u64,
        source: &dyn BlobSource,
        sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        let endpoint = self.registry()?;
        let begin = self.ask(endpoint, &self.push_call(Method::POST, "blobs/uploads/")).await?;
        if begin.status() != StatusCode::ACCEPTED {
            return Err(begin.into_error().await);
        }
        let session = self.session(endpoint, &begin)?;
        let mut query = session.uri.query().unwrap_or("").to_owned();
        push_field(&mut query, "digest", digest.as_str());
        let base = session.uri.to_string();
        let uri = format!("{}?{query}", base.split('?').next().unwrap_or(""));
        let uri = uri.parse().map_err(|_| Error::BadHeader { what: "Location", value: shown_url(&session.uri) })?;
        let session = Session { uri, ..session };

        let reader = source.open(0).await.map_err(Error::Source)?;
        let progress = Arc::new(AtomicU64::new(0));
        let body = Upload { reader, left: size, sent: progress.clone(), buffer: vec![0; BLOCK] };
        let put = self.push_call(Method::PUT, "blobs/uploads/");
        let octets = Some(HeaderValue::from_static("application/octet-stream"));
        let mut transfer = std::pin::pin!(self.send(&session, &put, body.boxed_unsync(), octets));
        let (mut last, mut still) = (0, Duration::ZERO);
        const TICK: Duration = Duration::from_millis(200);
        let answer = loop {
            match tokio::time::timeout(TICK, &mut transfer).await {
                Ok(answer) => break answer?,
                Err(_) => {
                    let now = progress.load(Ordering::Relaxed);
                    still = if now == last { still + TICK } else { Duration::ZERO };
                    last = now;
                    sent(now);
                    if still >= STALL {
                        let source = TransportError::Timeout { what: "upload", after: STALL };
                        return Err(Error::Request { method: "Put", url: shown_url(&session.uri), source });
                    }
                }
            }
        };
        sent(progress.load(Ordering::Relaxed));
        if answer.status().is_success() { Ok(()) } else { Err(answer.into_error().await) }
    }

    /// Where the registry wants the upload. Another host gets no token; one that we must not be led to is refused.
    fn session(&self, endpoint: &Endpoint, begin: &Answer) -> Result<Session, Error> {
        let location = begin.text(header::LOCATION).unwrap_or("");
        let bad = || Error::BadHeader { what: "Location", value: location.split('?').next().unwrap_or("").to_owned() };
        let base: Uri = begin.url.parse().map_err(|_| bad())?;
        let uri =
            resolve(&base, location).filter(|uri| may_lead_to(&self.inner.client.trust, &base, uri)).ok_or_else(bad)?;
        let at_home =
            uri.authority().is_some_and(|a| a.as_str() == endpoint.authority) && uri.scheme() == base.scheme();
        Ok(Session { uri, at_home })
    }

    fn first_uri(&self, endpoint: &Endpoint, what: &Call) -> Result<Uri, Error> {
        let scheme = endpoint.schemes(&self.inner.client.trust)[0];
        let text = format!("{scheme}://{}{}{}", endpoint.authority, endpoint.prefix, what.path);
        text.parse().map_err(|_| Error::Malformed { what: "URL", why: text })
    }

    /// Sends a body. It was made sure before, by questions without one, that the registry knows us.
    async fn send(
        &self,
        session: &Session,
        what: &Call,
        body: Body,
        content_type: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        let client = &self.inner.client;
        let endpoint = self.registry()?;
        let mut request = Request::new(body);
        *request.method_mut() = what.method.clone();
        *request.uri_mut() = session.uri.clone();
        *request.headers_mut() = what.headers.clone();
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        if session.at_home
            && let Some(authorization) = self.inner.auth.header(client, &endpoint.authority, &what.scopes).await?
        {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let url = shown_url(&session.uri);
        let response = client.transport.send(request).await.map_err(|source| Error::Request {
            method: go_method(&what.method),
            url: url.clone(),
            source,
        })?;
        Ok(Answer { response, url, method: what.method.clone() })
    }
}

fn passing_status(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// A blob on its way out. Exactly `left` bytes: a file that shrank or grew meanwhile is an error here, not a broken blob there.
struct Upload {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    left: u64,
    sent: Arc<AtomicU64>,
    buffer: Vec<u8>,
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let len = usize::try_from(this.left).unwrap_or(usize::MAX).min(this.buffer.len());
        let mut buffer = ReadBuf::new(&mut this.buffer[..len]);
        ready!(Pin::new(&mut this.reader).poll_read(cx, &mut buffer))?;
        let data = Bytes::copy_from_slice(buffer.filled());
        if data.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= data.len() as u64;
        this.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
