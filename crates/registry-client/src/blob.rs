use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use id::Digest;
use oci::image::Descriptor;

use crate::host::Endpoint;
use crate::repository::parse_digest;
use crate::request::{Answer, Last, go_method, pause};
use crate::transport::body_failure;
use crate::{Error, Repository, TransportError};

/// So many failures without a byte in between end a download.
const FAILURES_MAX: u32 = 5;

/// A blob as it comes. A broken connection is taken up again at the byte where it broke (`Range`), a bounded number of times.
#[derive(Debug)]
pub struct BlobStream {
    repository: Repository,
    digest: Digest,
    media_type: String,
    size: u64,
    position: u64,
    host: String,
    body: Option<Body>,
    failures: u32,
    done: bool,
}

#[derive(Debug)]
struct Body {
    incoming: Incoming,
    /// Bytes that come first and are known already: the registry did not heed the range.
    skip: u64,
    url: String,
}

impl BlobStream {
    pub(crate) async fn open(repository: Repository, descriptor: &Descriptor, offset: u64) -> Result<Self, Error> {
        let digest = parse_digest(descriptor)?;
        let size = u64::try_from(descriptor.size)
            .map_err(|_| Error::Malformed { what: "descriptor", why: format!("size {}", descriptor.size) })?;
        if offset > size {
            return Err(Error::SizeMismatch { got: offset, want: size });
        }
        let mut stream = Self {
            repository,
            digest,
            media_type: descriptor.media_type.clone(),
            size,
            position: offset,
            host: String::new(),
            body: None,
            failures: 0,
            done: offset == size && size > 0,
        };
        if !stream.done {
            let body = stream.connect().await?;
            stream.body = Some(body);
        }
        Ok(stream)
    }

    /// The next bytes; `None` after the last. Never more in all than the descriptor says, and never fewer without an error.
    /// Dropping the future of a call that has not ended loses no bytes.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`]: the registry has another size for it. [`Error::Interrupted`]: the connection broke too often.
    /// After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        while !self.done {
            let failure = match self.advance().await {
                Ok(Some(data)) => return Some(Ok(data)),
                Ok(None) => {
                    self.done = true;
                    return None;
                }
                Err(failure) => failure,
            };
            self.body = None;
            if let Err(e) = self.recover(failure).await {
                self.done = true;
                return Some(Err(e));
            }
        }
        None
    }

    /// Where in the blob the next byte is.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Who sends it: the registry or a mirror.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Bytes, or the end.
    async fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        if self.body.is_none() {
            let body = self.connect().await?;
            self.body = Some(body);
        }
        let silence = self.stall_timeout();
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            let broken =
                |source| Error::Request { method: go_method(&hyper::Method::GET), url: body.url.clone(), source };
            let Ok(frame) = tokio::time::timeout(silence, body.incoming.frame()).await else {
                return Err(broken(TransportError::Timeout { what: "response body", after: silence }));
            };
            let mut data = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
                Some(Err(e)) => return Err(broken(body_failure(&e))),
                None if self.position == self.size => return Ok(None),
                None => return Err(broken(TransportError::Broken("unexpected EOF".to_owned()))),
            };
            let known = usize::try_from(body.skip).unwrap_or(usize::MAX).min(data.len());
            let _ = data.split_to(known);
            body.skip -= known as u64;
            if data.is_empty() {
                continue;
            }
            if data.len() as u64 > self.size - self.position {
                return Err(Error::SizeMismatch { got: self.position + data.len() as u64, want: self.size });
            }
            self.position += data.len() as u64;
            self.failures = 0;
            return Ok(Some(data));
        }
    }

    fn stall_timeout(&self) -> Duration {
        self.repository.inner.client.config.stall_timeout
    }

    /// Decides whether to go on after a failure, and waits a little.
    async fn recover(&mut self, failure: Error) -> Result<(), Error> {
        self.failures += 1;
        if !failure.is_passing() {
            return Err(failure);
        }
        if self.failures > FAILURES_MAX {
            return Err(match failure {
                Error::Request { source: TransportError::Broken(why), .. } if why == "unexpected EOF" => {
                    Error::ShortRead { got: self.position, want: self.size }
                }
                failure => Error::Interrupted { source: Box::new(failure) },
            });
        }
        tracing::debug!(digest = %self.digest, position = self.position, error = %failure, "download broke off, resuming");
        pause(&self.repository.inner.client, self.failures, None).await;
        Ok(())
    }

    /// Asks the hosts in turn for what is missing.
    async fn connect(&mut self) -> Result<Body, Error> {
        let repository = self.repository.clone();
        let mut failure = None;
        for (endpoint, last) in repository.hosts(|c| c.pull) {
            match self.connect_to(endpoint, last).await {
                Ok(body) => {
                    self.host.clone_from(&endpoint.authority);
                    return Ok(body);
                }
                Err(e) => failure = Some(e),
            }
        }
        Err(repository.access_error(failure))
    }

    async fn connect_to(&self, endpoint: &Endpoint, last: Last) -> Result<Body, Error> {
        let mut get = self.repository.get(&format!("blobs/{}", self.digest)).accept("*/*");
        // The bytes as they are stored, whatever a cache on the way can do.
        get = get.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.position > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.position))
        {
            get = get.header(header::RANGE, range);
        }
        let answer = self.repository.call(endpoint, &get, last).await?;
        let skip = match answer.status() {
            StatusCode::OK => self.position,
            StatusCode::PARTIAL_CONTENT => self.check_range(&answer)?,
            StatusCode::NOT_FOUND => {
                let (digest, media_type) = (self.digest.clone(), self.media_type.clone());
                return Err(Error::BlobNotFound { digest, media_type });
            }
            _ => return Err(answer.into_error().await),
        };
        let rest = self.size - self.position + skip;
        let length = answer.text(header::CONTENT_LENGTH).and_then(|n| n.parse::<u64>().ok());
        if let Some(length) = length.filter(|n| *n != rest) {
            return Err(Error::SizeMismatch { got: self.position - skip + length, want: self.size });
        }
        Ok(Body { incoming: answer.response.into_body(), skip, url: answer.url })
    }

    /// How many bytes before the wanted ones come. A range that begins behind the wanted byte is of no use.
    fn check_range(&self, answer: &Answer) -> Result<u64, Error> {
        let text = answer.text(header::CONTENT_RANGE).unwrap_or("");
        let start =
            text.strip_prefix("bytes ").and_then(|r| r.split_once('-')).and_then(|(n, _)| n.trim().parse::<u64>().ok());
        match start.and_then(|start| self.position.checked_sub(start)) {
            Some(skip) => Ok(skip),
            None => Err(Error::BadHeader { what: "Content-Range", value: text.to_owned() }),
        }
    }
}
