//! HTTP connections: dialling, TLS, proxies, a pool by host.

mod connect;
mod dns;
mod pinned;
mod proxy;
mod tls;

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::host::Trust;
use crate::{Config, Error, TransportError};
use connect::Connector;
pub use dns::lookup;
use proxy::ProxyRules;

/// What requests carry.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How long the head of an answer may take (after the request is sent).
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(90);
const IDLE_PER_HOST: usize = 8;
/// What may be on its way by HTTP/2, in bytes: per blob, and in all.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Sends requests. One per client.
#[derive(Debug)]
pub(crate) struct Transport {
    http: legacy::Client<Connector, Body>,
    proxies: Arc<ProxyRules>,
    user_agent: HeaderValue,
}

impl Transport {
    pub(crate) fn new(config: &Config, trust: Arc<Trust>) -> Result<Self, Error> {
        let proxies = Arc::new(ProxyRules::new(&config.proxies)?);
        let connector = Connector::new(trust, proxies.clone(), config.certs_dir.clone());
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http1_max_headers(256)
            .http1_max_buf_size(256 * 1024)
            .build(connector);
        let user_agent = HeaderValue::from_str(&config.user_agent).map_err(|e| Error::Config {
            what: "user agent",
            value: config.user_agent.clone(),
            why: e.to_string(),
        })?;
        Ok(Self { http, proxies, user_agent })
    }

    /// Sends one request and waits for the head of its answer. No redirection is followed.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, TransportError> {
        request.headers_mut().insert(header::USER_AGENT, self.user_agent.clone());
        if let Some(authorization) = self.proxies.plain_authorization(request.uri()) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
        }
        // An upload takes as long as it takes; its body has a watch of its own.
        let upload = hyper::body::Body::size_hint(request.body()).exact() != Some(0);
        let answer = self.http.request(request);
        if upload {
            return answer.await.map_err(|e| failure(&e));
        }
        match tokio::time::timeout(HEAD_TIMEOUT, answer).await {
            Ok(result) => result.map_err(|e| failure(&e)),
            Err(_) => Err(TransportError::Timeout { what: "response headers", after: HEAD_TIMEOUT }),
        }
    }
}

/// Finds our own error in the client's, or describes a broken connection as Go does.
fn failure(error: &legacy::Error) -> TransportError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(own) = inner.downcast_ref::<TransportError>() {
            return own.clone();
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return TransportError::Broken(broken_text(io));
        }
        if let Some(http) = inner.downcast_ref::<hyper::Error>()
            && http.is_incomplete_message()
        {
            return TransportError::Broken("EOF".to_owned());
        }
        cause = inner.source();
    }
    TransportError::Broken(error.to_string())
}

/// What breaks a body, in Go's words.
pub(crate) fn body_failure(error: &hyper::Error) -> TransportError {
    let io = error.source().and_then(|s| s.downcast_ref::<io::Error>());
    TransportError::Broken(io.map_or_else(|| "unexpected EOF".to_owned(), broken_text))
}

fn broken_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        io::ErrorKind::BrokenPipe => "write: broken pipe".to_owned(),
        io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        _ => crate::failure::plain_text(error),
    }
}

/// Host and port of a URL.
pub(crate) fn host_port(uri: &Uri) -> Option<(&str, u16)> {
    let host = uri.host()?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some((host.trim_start_matches('[').trim_end_matches(']'), uri.port_u16().unwrap_or(default)))
}
