use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api_compat::Version;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderMap, HeaderValue, LOCATION, SERVER};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, StatusCode};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::http::accept::{refuse, serve, stopped};
use crate::http::form::unescape;
use crate::http::h2c::{self, SpeaksH2, Takeover};
use crate::http::intake::Intake;
use crate::http::listen::{Listener, Origin};
use crate::http::middleware::{Layer, Next};
use crate::http::request::{Peer, Request};
use crate::http::router::{Router, cleaned, split_version};
use crate::http::spare::Spare;
use crate::http::{ApiError, Form, Response, defence, empty, respond};

/// What clients may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To send a request's head.
    pub head_timeout: Duration,
    /// Between two requests on one connection.
    pub idle_timeout: Duration,
    /// Connections at once, over all listeners.
    pub connections: usize,
    /// Bytes of a JSON body.
    pub json_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            connections: 8192,
            json_body: 16 << 20,
        }
    }
}

/// What the server says about itself.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The engine's version, for the `Server` header.
    pub version: String,
    /// `--experimental`.
    pub experimental: bool,
    /// Oldest API version that is served.
    pub min_api: Version,
    /// Names of this host, which a request over the network may be addressed to.
    pub host_names: Vec<String>,
    /// A request over the network may be addressed to any name: nothing is served that a browser page must not see.
    pub any_host: bool,
}

/// Serves a routing table on any number of listeners.
#[derive(Debug)]
pub struct Server<S> {
    core: Arc<Core<S>>,
    slots: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

/// What all connections share.
pub(crate) struct Core<S> {
    pub(crate) state: Arc<S>,
    pub(crate) router: Router<S>,
    pub(crate) layers: Vec<Layer<S>>,
    pub(crate) limits: Limits,
    identity: Identity,
    headers: HeaderMap,
}

impl<S> std::fmt::Debug for Core<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("limits", &self.limits).field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Server<S> {
    /// A server; `layers` wrap every route, the first one outermost.
    pub fn new(state: Arc<S>, router: Router<S>, layers: Vec<Layer<S>>, identity: Identity, limits: Limits) -> Self {
        let mut headers = HeaderMap::new();
        let server = format!("Docker/{} (linux)", identity.version);
        headers.insert(SERVER, HeaderValue::from_str(&server).unwrap_or(HeaderValue::from_static("Docker (linux)")));
        headers.insert("api-version", HeaderValue::from_static(api_types::API_VERSION));
        headers.insert("ostype", HeaderValue::from_static("linux"));
        let experimental = if identity.experimental { "true" } else { "false" };
        headers.insert("docker-experimental", HeaderValue::from_static(experimental));
        let core = Arc::new(Core { state, router, layers, limits, identity, headers });
        Self { core, slots: Arc::new(Semaphore::new(limits.connections)), stop: watch::channel(false).0 }
    }

    /// Accepts connections until [`Self::stop`], then waits for the requests at hand.
    ///
    /// # Errors
    /// If the listener breaks.
    pub async fn serve(&self, listener: Listener) -> io::Result<()> {
        let origin = Arc::new(listener.origin.clone());
        let mut stop = self.stop.subscribe();
        let mut connections = JoinSet::new();
        let mut spare = Spare::new();
        loop {
            let raw = tokio::select! {
                raw = listener.accept() => raw,
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => continue,
            };
            let raw = match raw {
                Ok(raw) => raw,
                Err(e) if is_lasting(&e) => return Err(e),
                Err(e) => {
                    // Out of descriptors or memory, or a client that went away at once.
                    spare.turn_away(&listener, &e).await;
                    continue;
                }
            };
            let Ok(slot) = self.slots.clone().try_acquire_owned() else {
                connections.spawn(refuse(raw));
                continue;
            };
            let (core, origin, tls, stop) =
                (self.core.clone(), origin.clone(), listener.acceptor(), self.stop.subscribe());
            connections.spawn(async move {
                if let Err(e) = serve(core, origin, raw, tls, stop).await {
                    tracing::trace!(error = %e, "connection ended");
                }
                drop(slot);
            });
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// No new connections; the requests at hand end by themselves.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// Errors after which accepting again makes no sense.
fn is_lasting(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::InvalidInput)
}

impl<S: Send + Sync + 'static> Core<S> {
    /// Answers one request.
    ///
    /// With `takeover` the connection may become HTTP/2: then that is left there, and the answer is the `101`.
    pub(crate) async fn handle(
        &self,
        request: hyper::Request<Incoming>,
        origin: &Origin,
        peer: Arc<Peer>,
        takeover: Option<&Mutex<Option<Takeover>>>,
    ) -> Response {
        let (mut parts, body) = request.into_parts();
        // Over TLS, HTTP/2 is agreed on in the handshake.
        let takeover = takeover.filter(|_| !matches!(origin, Origin::Tls(_)) && h2c::wanted(&parts.headers));
        let upgrade: Option<OnUpgrade> = takeover.and_then(|_| parts.extensions.get().cloned());
        let take = |first| {
            if let (Some(takeover), Some(upgrade)) = (takeover, upgrade) {
                *takeover.lock().unwrap_or_else(PoisonError::into_inner) = Some(Takeover { upgrade, first });
            }
        };
        if takeover.is_some()
            && let Some(first) = h2c::first(&parts, &body)
        {
            take(Some(first));
            return h2c::switching();
        }
        let path = parts.uri.path().to_owned();
        let (version_text, rest) = split_version(&path);
        let plain = version_text.and_then(Version::parse).is_some_and(|v| v < Version::new(1, 24));
        let upgrade = (parts.version < hyper::Version::HTTP_2 && parts.headers.contains_key(hyper::header::UPGRADE))
            .then(|| parts.extensions.remove())
            .flatten();
        let expects = parts.headers.contains_key(EXPECT);
        let (body, leftover) = Intake::new(body);
        let head = Head { parts: &mut parts, origin, version_text, rest };
        let mut response = match self.route(head, body, upgrade, peer).await {
            Ok(response) => response,
            Err(error) => respond::failure(&error, plain),
        };
        if response.extensions().get::<SpeaksH2>().is_some() {
            take(None);
        }
        // A client that waits to be asked for its body has not sent it.
        if !expects {
            leftover.drain().await;
        }
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        response
    }

    async fn route(
        &self,
        head: Head<'_>,
        body: Intake,
        upgrade: Option<hyper::upgrade::OnUpgrade>,
        peer: Arc<Peer>,
    ) -> Result<Response, ApiError> {
        let Head { parts, origin, version_text, rest } = head;
        let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
        let names = (!self.identity.any_host).then_some(self.identity.host_names.as_slice());
        defence::check(&parts.method, &parts.headers, authority.as_deref(), origin, names)?;
        if let Some(clean) = cleaned(parts.uri.path()) {
            return Ok(moved(&clean, parts.uri.query()));
        }
        if parts.method == Method::OPTIONS {
            return Ok(empty(StatusCode::OK));
        }
        let path = unescape(rest, false).map_err(ApiError::from)?;
        let found = match self.router.grpc() {
            Some(route) if is_grpc(parts) => Some((route, path.as_str())),
            _ => self.router.find(&parts.method, &path),
        };
        let Some((route, name)) = found else {
            return Err(ApiError::not_found("page not found"));
        };
        let version = self.check_version(version_text)?;
        route.check_version(version)?;
        let mut form = Form::parse(parts.uri.query().unwrap_or_default())?;
        api_compat::upgrade_query(version, route.operation(), form.pairs_mut());
        let request = Request {
            state: self.state.clone(),
            version,
            operation: route.operation(),
            method: parts.method.clone(),
            name: name.to_owned(),
            form,
            headers: std::mem::take(&mut parts.headers),
            peer,
            body,
            upgrade,
            max_json: self.limits.json_body,
        };
        let shown = route.to_string();
        let hijack = request.can_hijack();
        let mut result = Next { layers: &self.layers, route }.run(request).await;
        if let Err(e) = &result
            && e.status().is_server_error()
            && e.status() != StatusCode::NOT_IMPLEMENTED
        {
            tracing::error!(status = e.status().as_u16(), error = e.message(), "Handler for {shown} returned error");
        }
        if hijack {
            result = result.or_else(|e| Ok(respond::failure(&e, false)));
            // What the client sends next is not for HTTP: a connection that was not taken over ends here.
            if let Ok(response) = &mut result
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        result
    }

    fn check_version(&self, text: Option<&str>) -> Result<Version, ApiError> {
        let Some(text) = text else { return Ok(Version::LATEST) };
        let version =
            Version::parse(text).ok_or_else(|| ApiError::bad_request(format!("invalid API version: {text}")))?;
        let min = self.identity.min_api;
        if version < min {
            return Err(ApiError::bad_request(format!(
                "client version {text} is too old. Minimum supported API version is {min}, please upgrade your \
                 client to a newer version"
            )));
        }
        if version > Version::LATEST {
            return Err(ApiError::bad_request(format!(
                "client version {text} is too new. Maximum supported API version is {}",
                Version::LATEST
            )));
        }
        Ok(version)
    }
}

/// A gRPC call: its path is a method's name, not a route of the API.
fn is_grpc(parts: &hyper::http::request::Parts) -> bool {
    let media = parts.headers.get(hyper::header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    parts.version == hyper::Version::HTTP_2 && parts.method == Method::POST && media.starts_with(b"application/grpc")
}

/// A request's head on its way through the server.
struct Head<'a> {
    parts: &'a mut hyper::http::request::Parts,
    origin: &'a Origin,
    version_text: Option<&'a str>,
    rest: &'a str,
}

fn moved(path: &str, query: Option<&str>) -> Response {
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    let location = query.map_or_else(|| path.to_owned(), |q| format!("{path}?{q}"));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
