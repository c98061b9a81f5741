use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use id::{Digest, Reference};
use oci::image::{Descriptor, Index, media_type};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use crate::auth::{Auth, push_field};
use crate::client::Shared;
use crate::host::Endpoint;
use crate::hosts::Capabilities;
use crate::request::{Answer, Call, Last, call};
use crate::{BlobStream, Error};

/// The largest manifest that is accepted (containerd's limit).
pub const MANIFEST_MAX: u64 = 4 << 20;

const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
const SCHEMA1: [&str; 2] = [media_type::DOCKER_MANIFEST_V1_SIGNED, media_type::DOCKER_MANIFEST_V1];
/// Lists of tags and referrers: so much of one page, so many pages.
const PAGE_MAX: usize = 8 << 20;
const PAGES_MAX: usize = 1000;

/// A name that was resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the name means now: media type, digest, size.
    pub descriptor: Descriptor,
    /// The document itself, if it came along.
    pub bytes: Option<Bytes>,
    /// Who answered: the registry or a mirror.
    pub host: String,
}

/// One repository of a registry, with the tokens for it. Cheap to clone; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) client: Arc<Shared>,
    pub(crate) reference: Reference,
    pub(crate) endpoints: Vec<Endpoint>,
    /// Why there are no endpoints.
    pub(crate) invalid: Option<String>,
    pub(crate) auth: Auth,
}

impl Repository {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The name it was made for, with the tag `latest` if it had neither tag nor digest.
    pub fn reference(&self) -> &Reference {
        &self.inner.reference
    }

    /// Looks the name up: by its digest if it has one, else by its tag (`latest` if it has none).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::AccessDenied`], [`Error::Schema1`], [`Error::ManifestTooLarge`], or what went wrong, in
    /// [`Error::Resolve`].
    pub async fn resolve(&self) -> Result<Resolved, Error> {
        let name = &self.inner.reference;
        let object = match (name.digest(), name.tag()) {
            (Some(digest), _) => digest.as_str(),
            (None, tag) => tag.unwrap_or(id::DEFAULT_TAG),
        };
        let path = format!("/v2/{}/manifests/{object}", name.path());
        let mut failure: Option<Error> = None;
        let by_tag = name.digest().is_none();
        for (endpoint, last) in self.hosts(|c| if by_tag { c.resolve } else { c.pull }) {
            match self.resolve_at(endpoint, last, &path).await {
                Ok(resolved) => return Ok(resolved),
                // What the registry itself says counts more than what a mirror said.
                Err(e) => {
                    tracing::debug!(host = %endpoint.authority, error = %e, "cannot resolve {name}");
                    failure = Some(e);
                }
            }
        }
        Err(self.resolve_error(failure))
    }

    /// Fetches a manifest or index; its size and digest are checked.
    ///
    /// # Errors
    /// [`Error::ContentNotFound`], [`Error::DigestMismatch`], [`Error::SizeMismatch`], [`Error::ManifestTooLarge`], or what
    /// went wrong on the way.
    pub async fn manifest(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let digest = parse_digest(descriptor)?;
        let size = u64::try_from(descriptor.size).unwrap_or(u64::MAX);
        if size > MANIFEST_MAX {
            return Err(Error::ManifestTooLarge { reference: self.inner.reference.to_string(), size });
        }
        let accept =
            if descriptor.media_type.is_empty() { "*/*".to_owned() } else { format!("{}, */*", descriptor.media_type) };
        let mut get = self.get(&format!("manifests/{digest}"));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            get = get.header(header::ACCEPT, accept);
        }
        let mut failure = None;
        for (endpoint, last) in self.hosts(|c| c.pull) {
            match self.manifest_at(endpoint, last, &get, &digest, size).await {
                Ok(bytes) => return Ok(bytes),
                Err(e) => failure = Some(e),
            }
        }
        Err(self.access_error(failure))
    }

    /// Begins to fetch a blob from byte `offset` on. The caller checks the digest.
    ///
    /// # Errors
    /// [`Error::ContentNotFound`], [`Error::SizeMismatch`], or what went wrong on the way.
    pub async fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobStream, Error> {
        BlobStream::open(self.clone(), descriptor, offset).await
    }

    /// All tags of the repository.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut all = Vec::new();
        self.pages(self.get("tags/list?n=1000"), |body| {
            let page: Page = parse_document("tag list", body)?;
            all.extend(page.tags.unwrap_or_default());
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Manifests that refer to `subject` (referrers API, or its tag scheme where the registry has none).
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let mut path = format!("referrers/{subject}");
        if let Some(artifact_type) = artifact_type {
            let mut query = String::new();
            push_field(&mut query, "artifactType", artifact_type);
            path = format!("{path}?{query}");
        }
        let mut all = Vec::new();
        let mut take = |body: &[u8]| {
            all.extend(parse_document::<Index>("referrers", body)?.manifests);
            Ok(())
        };
        let asked = self.pages(self.get(&path).accept(media_type::OCI_INDEX), &mut take).await;
        if let Err(e) = asked {
            if !is_absence(&e) {
                return Err(e);
            }
            let tag = format!("manifests/{}-{}", subject.algorithm(), subject.hex());
            match self.pages(self.get(&tag).accept(media_type::OCI_INDEX), &mut take).await {
                Err(e) if !is_absence(&e) => return Err(e),
                _ => {}
            }
        }
        all.retain(|d| artifact_type.is_none_or(|t| d.artifact_type.as_deref() == Some(t)));
        Ok(all)
    }

    /// The hosts that may be asked for this, each with whether it is the last.
    pub(crate) fn hosts(&self, may: impl Fn(&Capabilities) -> bool) -> impl Iterator<Item = (&Endpoint, Last)> {
        let able: Vec<&Endpoint> = self.inner.endpoints.iter().filter(|e| may(&e.capabilities)).collect();
        let count = able.len();
        let last = move |n| if n + 1 == count { Last::Yes } else { Last::No };
        able.into_iter().enumerate().map(move |(n, endpoint)| (endpoint, last(n)))
    }

    /// A question about this repository that reads only.
    pub(crate) fn get(&self, what: &str) -> Call {
        let path = self.inner.reference.path();
        Call::new(Method::GET, format!("/v2/{path}/{what}")).scope(format!("repository:{path}:pull"))
    }

    pub(crate) async fn call(&self, endpoint: &Endpoint, what: &Call, last: Last) -> Result<Answer, Error> {
        if endpoint.mirror {
            // Mirrors of several registries want to know which one is meant.
            let mut what = what.clone();
            what.path.push_str(if what.path.contains('?') { "&ns=" } else { "?ns=" });
            what.path.push_str(self.inner.reference.domain());
            return call(&self.inner.client, &self.inner.auth, endpoint, &what, last).await;
        }
        call(&self.inner.client, &self.inner.auth, endpoint, what, last).await
    }

    async fn resolve_at(&self, endpoint: &Endpoint, last: Last, path: &str) -> Result<Resolved, Error> {
        let reference = || self.inner.reference.to_string();
        let scope = format!("repository:{}:pull", self.inner.reference.path());
        let head = Call::new(Method::HEAD, path).accept(MANIFEST_TYPES).scope(scope);
        let get = Call { method: Method::GET, ..head.clone() };
        let answer = self.call(endpoint, &head, last).await?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND => return Err(Error::NotFound { reference: reference() }),
            // An answer to HEAD explains nothing.
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                let plain = answer.into_error().await;
                let explained = self.call(endpoint, &get, Last::No).await;
                return Err(match explained {
                    Ok(answer) if !answer.status().is_success() => answer.into_error().await,
                    _ => plain,
                });
            }
            _ => return Err(answer.into_error().await),
        }
        let media_type = content_type(&answer);
        if SCHEMA1.contains(&media_type.as_str()) {
            return Err(Error::Schema1 { reference: reference() });
        }
        let announced = match answer.text("docker-content-digest") {
            Some(text) => Some(
                text.parse::<Digest>()
                    .map_err(|_| Error::BadHeader { what: "Docker-Content-Digest", value: text.to_owned() })?,
            ),
            None => None,
        };
        let wanted = self.inner.reference.digest().cloned().or(announced);
        let length = answer.text(header::CONTENT_LENGTH).and_then(|n| n.parse::<u64>().ok());
        let host = endpoint.authority.clone();
        let reject = |size| Error::ManifestTooLarge { reference: reference(), size };
        if let Some(size) = length.filter(|n| *n > MANIFEST_MAX) {
            return Err(reject(size));
        }
        if let (Some(digest), Some(size), true) = (&wanted, length, answer.method == Method::HEAD) {
            return Ok(Resolved { descriptor: descriptor(media_type, digest, size), bytes: None, host });
        }
        // The head does not say it all, or the registry knows no HEAD: the document does.
        let answer = if answer.method == Method::GET { answer } else { self.call(endpoint, &get, last).await? };
        if !answer.status().is_success() {
            return Err(answer.into_error().await);
        }
        let media_type = content_type(&answer);
        let bytes = answer.body(usize::try_from(MANIFEST_MAX).unwrap_or(usize::MAX)).await?;
        let digest = match wanted {
            Some(digest) => check_digest(&bytes, digest)?,
            None => Digest::sha256(Sha256::digest(&bytes).into()),
        };
        let descriptor = descriptor(media_type, &digest, bytes.len() as u64);
        Ok(Resolved { descriptor, bytes: Some(bytes), host })
    }

    async fn manifest_at(
        &self,
        endpoint: &Endpoint,
        last: Last,
        get: &Call,
        digest: &Digest,
        size: u64,
    ) -> Result<Bytes, Error> {
        let answer = self.call(endpoint, get, last).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Error::ContentNotFound { url: answer.url }),
            _ => return Err(answer.into_error().await),
        }
        let bytes = answer.body(usize::try_from(MANIFEST_MAX).unwrap_or(usize::MAX)).await?;
        if bytes.len() as u64 != size {
            return Err(Error::SizeMismatch { got: bytes.len() as u64, want: size });
        }
        check_digest(&bytes, digest.clone())?;
        Ok(bytes)
    }

    /// Reads a list page by page, from the registry itself (mirrors may lag behind).
    async fn pages(&self, mut what: Call, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let Some(endpoint) = self.inner.endpoints.last() else { return Err(self.access_error(None)) };
        for _ in 0..PAGES_MAX {
            let answer = self.call(endpoint, &what, Last::Yes).await.map_err(|e| self.access_error(Some(e)))?;
            if !answer.status().is_success() {
                return Err(answer.into_error().await);
            }
            let next = answer.text(header::LINK).and_then(next_page);
            take(&answer.body(PAGE_MAX).await?)?;
            match next {
                Some(path) if path.starts_with("/v2/") && path != what.path => what.path = path,
                _ => break,
            }
        }
        Ok(())
    }

    /// A refusal gets the repository's name.
    pub(crate) fn access_error(&self, failure: Option<Error>) -> Error {
        match failure {
            Some(Error::AccessDenied { .. }) => Error::AccessDenied { name: self.inner.reference.familiar_name() },
            Some(e) => e,
            None if let Some(why) = &self.inner.invalid => Error::Hosts { why: why.clone() },
            None => Error::NotFound { reference: self.inner.reference.to_string() },
        }
    }

    fn resolve_error(&self, failure: Option<Error>) -> Error {
        match self.access_error(failure) {
            source @ (Error::Request { .. }
            | Error::Token { .. }
            | Error::Challenge { .. }
            | Error::Status { .. }
            | Error::BadHeader { .. }) => {
                Error::Resolve { reference: self.inner.reference.to_string(), source: Box::new(source) }
            }
            other => other,
        }
    }
}

pub(crate) fn parse_digest(descriptor: &Descriptor) -> Result<Digest, Error> {
    descriptor.digest.parse().map_err(|e: id::DigestError| Error::Malformed {
        what: "descriptor",
        why: format!("{:?}: {e}", descriptor.digest),
    })
}

fn parse_document<'a, T: Deserialize<'a>>(what: &'static str, body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Malformed { what, why: e.to_string() })
}

fn descriptor(media_type: String, digest: &Digest, size: u64) -> Descriptor {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    Descriptor { media_type, digest: digest.to_string(), size, ..Descriptor::default() }
}

/// The media type without its parameters; registries of 2015 call their manifests plain text.
fn content_type(answer: &Answer) -> String {
    let text = answer.text(header::CONTENT_TYPE).unwrap_or("");
    match text.split(';').next().unwrap_or("").trim() {
        "text/plain" => SCHEMA1[0].to_owned(),
        other => other.to_owned(),
    }
}

fn check_digest(bytes: &[u8], want: Digest) -> Result<Digest, Error> {
    let fits = match want.algorithm() {
        "sha512" => hex(&Sha512::digest(bytes)) == want.hex(),
        _ => hex(&Sha256::digest(bytes)) == want.hex(),
    };
    if fits { Ok(want) } else { Err(Error::DigestMismatch { got: Digest::sha256(Sha256::digest(bytes).into()), want }) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn is_absence(error: &Error) -> bool {
    matches!(error, Error::Status { code: 404 | 405, .. } | Error::Registry { status: 404 | 405, .. })
}

/// The path of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !parameters.contains("rel=\"next\"") && !parameters.contains("rel=next") {
        return None;
    }
    let path = match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => target,
    };
    Some(path.to_owned())
}
