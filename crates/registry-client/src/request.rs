//! One question to one registry: logging in, redirections, repetition.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;

use crate::auth::{Auth, Outcome};
use crate::client::Shared;
use crate::host::{Endpoint, may_lead_to};
use crate::transport::{Body, body_failure};
use crate::{Error, TransportError};

/// How often a request is sent at most (logging in and redirections not counted).
pub(crate) const ATTEMPTS: u32 = 5;
const REDIRECTS_MAX: u32 = 10;
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A registry that wants to be left alone for longer than this is taken at its word: the call fails.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// So much of an explanation is read.
const EXPLANATION_MAX: usize = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// From `/v2/` on, query included.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) scopes: Vec<String>,
}

/// Whether there is another host to ask if this one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    /// Where it came from, without secrets.
    pub(crate) url: String,
    pub(crate) method: Method,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: HeaderMap::new(), scopes: Vec::new() }
    }

    pub(crate) fn accept(self, types: &'static str) -> Self {
        self.header(header::ACCEPT, HeaderValue::from_static(types))
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn scope(mut self, scope: String) -> Self {
        self.scopes.push(scope);
        self
    }
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn text(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name).and_then(|v| v.to_str().ok())
    }

    /// The failure that this answer means.
    pub(crate) async fn into_error(self) -> Error {
        status_error(&self.method, &self.url, self.response).await
    }

    /// Reads the rest, if it is not longer than `max`.
    pub(crate) async fn body(self, max: usize) -> Result<Bytes, Error> {
        let method = go_method(&self.method);
        read_body(self.response.into_body(), max).await.map_err(|source| Error::Request {
            method,
            url: self.url,
            source,
        })
    }
}

/// Asks `endpoint`. Any status may come back but those of a passing nature, which are tried again first.
pub(crate) async fn call(
    client: &Shared,
    auth: &Auth,
    endpoint: &Endpoint,
    call: &Call,
    last: Last,
) -> Result<Answer, Error> {
    let mut call = call.clone();
    let mut refusals = 0;
    let mut logins = 0;
    let mut attempt = 1;
    loop {
        let patient = last == Last::Yes && attempt < ATTEMPTS;
        let (answer, uri, authorized) = match once(client, auth, endpoint, &call).await {
            Ok(answer) => answer,
            Err(Error::Request { source, .. }) if patient && source.is_transient() => {
                tracing::debug!(host = %endpoint.authority, error = %source, attempt, "registry request failed, repeating");
                pause(client, attempt, None).await;
                attempt += 1;
                continue;
            }
            Err(e) => return Err(e),
        };
        match answer.status() {
            StatusCode::UNAUTHORIZED
                if logins < 3 && uri.authority().is_some_and(|a| a.as_str() == endpoint.authority) =>
            {
                logins += 1;
                refusals += u32::from(authorized);
                let headers = answer.response.headers();
                match auth.challenged(&client.trust, &uri, &endpoint.authority, headers, refusals).await? {
                    Outcome::Retry => {}
                    Outcome::Refused => return Ok(answer),
                    Outcome::Denied => return Err(Error::AccessDenied { name: String::new() }),
                }
            }
            // Registries that know no HEAD of manifests.
            StatusCode::METHOD_NOT_ALLOWED if call.method == Method::HEAD => call.method = Method::GET,
            status if patient && is_passing(status) => {
                let wait = retry_after(answer.response.headers());
                if wait.is_some_and(|wait| wait > RETRY_AFTER_MAX) {
                    return Ok(answer);
                }
                tracing::debug!(host = %endpoint.authority, %status, attempt, "registry is busy, repeating");
                pause(client, attempt, wait).await;
                attempt += 1;
            }
            _ => return Ok(answer),
        }
    }
}

/// Sends the request once, by TLS or without as the endpoint allows, and follows redirections.
async fn once(client: &Shared, auth: &Auth, endpoint: &Endpoint, call: &Call) -> Result<(Answer, Uri, bool), Error> {
    let mut failure = None;
    for scheme in endpoint.schemes(&client.trust) {
        match follow(client, auth, endpoint, call, scheme).await {
            Ok(answer) => {
                if *scheme == "http" && !endpoint.plain {
                    client.trust.remember_plain(&endpoint.authority);
                }
                return Ok(answer);
            }
            Err(Error::Request { method, url, source }) if source.suggests_plain() => {
                if matches!(source, TransportError::PlainHttp) {
                    client.trust.remember_plain(&endpoint.authority);
                }
                // Where nobody listens both fail alike, and the first says it better.
                let unheard = matches!(&failure, Some(Error::Request { source: TransportError::Dial { .. }, .. }));
                if !unheard {
                    failure = Some(Error::Request { method, url, source });
                }
            }
            Err(e) => return Err(e),
        }
    }
    Err(failure.unwrap_or_else(|| Error::Challenge { why: "no scheme to try".to_owned() }))
}

async fn follow(
    client: &Shared,
    auth: &Auth,
    endpoint: &Endpoint,
    call: &Call,
    scheme: &str,
) -> Result<(Answer, Uri, bool), Error> {
    let start = format!("{scheme}://{}{}", endpoint.authority, endpoint.path(&call.path));
    let fail = |url: &str, source| Error::Request { method: go_method(&call.method), url: url.to_owned(), source };
    let mut uri: Uri = start.parse().map_err(|_| fail(&start, TransportError::Broken("invalid URL".to_owned())))?;
    for _ in 0..=REDIRECTS_MAX {
        let url = shown_url(&uri);
        let at_home =
            uri.authority().is_some_and(|a| a.as_str() == endpoint.authority) && uri.scheme_str() == Some(scheme);
        let authorization = if at_home { auth.header(client, &endpoint.authority, &call.scopes).await? } else { None };
        let authorized = authorization.is_some();
        let mut request = Request::new(empty());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = call.headers.clone();
        if at_home {
            for (name, value) in &endpoint.headers {
                request.headers_mut().append(name.clone(), value.clone());
            }
        }
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        tracing::debug!(method = %call.method, url, "registry request");
        let response = client.transport.send(request).await.map_err(|e| fail(&url, e))?;
        let target = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok());
        let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let (true, Some(target)) = (redirects && matches!(call.method, Method::GET | Method::HEAD), target) else {
            return Ok((Answer { response, url, method: call.method.clone() }, uri, authorized));
        };
        let next = resolve(&uri, target).filter(|next| may_lead_to(&client.trust, &uri, next));
        let refused = || {
            let host = target.split(['?', '#']).next().unwrap_or("");
            TransportError::Redirect(format!("redirect to {host:?} is not allowed"))
        };
        uri = next.ok_or_else(|| fail(&url, refused()))?;
    }
    Err(fail(&shown_url(&uri), TransportError::Redirect(format!("stopped after {REDIRECTS_MAX} redirects"))))
}

/// A URL as a `Location` means it.
pub(crate) fn resolve(base: &Uri, target: &str) -> Option<Uri> {
    if target.contains("://") {
        let uri: Uri = target.parse().ok()?;
        return uri.authority().is_some_and(|a| !a.as_str().contains('@')).then_some(uri);
    }
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    if let Some(rest) = target.strip_prefix("//") {
        return resolve(base, &format!("{scheme}://{rest}"));
    }
    if target.starts_with('/') {
        return format!("{scheme}://{authority}{target}").parse().ok();
    }
    let dir = base.path().rsplit_once('/').map_or("", |(dir, _)| dir);
    format!("{scheme}://{authority}{dir}/{target}").parse().ok()
}

/// A URL without user and query (which may be signed).
pub(crate) fn shown_url(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |a| a.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", uri.scheme_str().unwrap_or("https"), uri.path())
}

/// `Head`, `Get`, …: how Go's HTTP client names methods in errors.
pub(crate) fn go_method(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "Head",
        Method::GET => "Get",
        Method::POST => "Post",
        Method::PUT => "Put",
        Method::PATCH => "Patch",
        Method::DELETE => "Delete",
        _ => "Do",
    }
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After` in seconds (the form with a date is not used by registries).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Waits before attempt `attempt + 1`: what the server said, else exponentially, between half and whole.
pub(crate) async fn pause(client: &Shared, attempt: u32, wanted: Option<Duration>) {
    let full = client.config.retry_pause.saturating_mul(1 << (attempt - 1).min(10)).min(PAUSE_MAX);
    let random = RandomState::new().hash_one(attempt) % 1024;
    let jittered = full / 2 + full / 2 * u32::try_from(random).unwrap_or(0) / 1024;
    tokio::time::sleep(wanted.unwrap_or(jittered)).await;
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn read_body(mut body: Incoming, max: usize) -> Result<Bytes, TransportError> {
    const SILENCE_MAX: Duration = Duration::from_secs(60);
    let mut all = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|e| body_failure(&e))?,
            Ok(None) => return Ok(all.freeze()),
            Err(_) => return Err(TransportError::Timeout { what: "response body", after: SILENCE_MAX }),
        };
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > max {
                return Err(TransportError::Broken(format!("response body larger than {max} bytes")));
            }
            all.extend_from_slice(&data);
        }
    }
}

#[derive(Deserialize)]
struct Explanation {
    #[serde(default)]
    errors: Vec<Reason>,
    /// An older form, of token servers.
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}

impl Reason {
    fn text(&self) -> String {
        let message = match (self.message.as_str(), self.code.as_str()) {
            ("", "UNSUPPORTED") => "The operation is unsupported.",
            ("", "UNAUTHORIZED") => "authentication required",
            ("", "DENIED") => "requested access to the resource is denied",
            ("", "UNAVAILABLE") => "service unavailable",
            ("", "TOOMANYREQUESTS") => "too many requests",
            ("", _) => "unknown error",
            (message, _) => message,
        };
        match self.detail.as_str() {
            Some(detail) => format!("{message} - {detail}"),
            None => message.to_owned(),
        }
    }
}

/// The error behind an answer: the registry's own words if it has some.
pub(crate) async fn status_error(method: &Method, url: &str, response: Response<Incoming>) -> Error {
    let code = response.status();
    let status = format!("{} {}", code.as_u16(), code.canonical_reason().unwrap_or(""));
    let plain = Error::Status { method: method.to_string(), url: url.to_owned(), status, code: code.as_u16() };
    let Ok(body) = read_body(response.into_body(), EXPLANATION_MAX).await else { return plain };
    let Ok(explanation) = serde_json::from_slice::<Explanation>(&body) else { return plain };
    let registry = |code: &str, message| Error::Registry { message, code: code.to_owned(), status: status_of(&plain) };
    match (explanation.errors.first(), explanation.details) {
        (Some(first), _) => {
            let texts: Vec<String> = explanation.errors.iter().map(Reason::text).collect();
            registry(&first.code, texts.join("\n"))
        }
        (None, Some(details)) if code == StatusCode::UNAUTHORIZED => {
            registry("UNAUTHORIZED", format!("authentication required - {details}"))
        }
        (None, Some(details)) if code == StatusCode::FORBIDDEN => {
            registry("DENIED", format!("requested access to the resource is denied - {details}"))
        }
        _ => plain,
    }
}

fn status_of(error: &Error) -> u16 {
    match error {
        Error::Status { code, .. } => *code,
        _ => 0,
    }
}
