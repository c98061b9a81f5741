//! The client: one address, one negotiated version, one kept connection.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::endpoint::{Endpoint, TlsFiles};
use crate::http::{Body, BodyReader, Conn, Headers, Method, Pool, Response};
use crate::query::Query;
use crate::stream::{Hijacked, Stream};
use crate::{API_VERSION, Error, Result};

/// How to reach an engine.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The address as the user gave it; empty for the default.
    pub host: String,
    /// TLS, if it is to be used.
    pub tls: Option<TlsFiles>,
    /// A fixed API version; none to negotiate.
    pub api_version: Option<String>,
    /// Header fields of all requests (`HttpHeaders` of config.json).
    pub headers: Vec<(String, String)>,
    /// The `User-Agent`.
    pub user_agent: String,
}

/// What the engine says of itself in `/_ping`.
#[derive(Debug, Clone, Default)]
pub struct Ping {
    /// Its newest API version.
    pub api_version: String,
    /// Its operating system (`linux`).
    pub os_type: String,
    /// Whether experimental features are on.
    pub experimental: bool,
    /// The builder it prefers (`1` or `2`).
    pub builder_version: String,
    /// Its swarm state (`inactive`, `active/manager`, …).
    pub swarm: String,
}

/// A client of one engine. Cheap until its first call.
#[derive(Debug)]
pub struct Client {
    host: String,
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    options: Options,
    version: OnceLock<String>,
    ping: OnceLock<Ping>,
    pool: Pool,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// The address or the TLS files are unusable.
    pub fn new(options: Options) -> Result<Self> {
        let host = if options.host.is_empty() { crate::DEFAULT_HOST.to_owned() } else { options.host.clone() };
        let endpoint = Endpoint::parse(&host, options.tls.is_some())?;
        let tls = match (&endpoint, &options.tls) {
            (Endpoint::Tcp { .. }, Some(files)) => Some(crate::tls::config(files)?),
            _ => None,
        };
        let version = OnceLock::new();
        if let Some(fixed) = &options.api_version {
            let _ = version.set(fixed.trim_start_matches('v').to_owned());
        }
        Ok(Self { host, endpoint, tls, options, version, ping: OnceLock::new(), pool: Arc::new(Mutex::new(None)) })
    }

    /// The engine's address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The API version in use; negotiated at first need.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub fn api_version(&self) -> Result<&str> {
        if let Some(version) = self.version.get() {
            return Ok(version);
        }
        let ping = self.ping()?;
        let offered = if ping.api_version.is_empty() { "1.24" } else { ping.api_version.as_str() };
        let chosen = if version_less(offered, API_VERSION) { offered } else { API_VERSION };
        Ok(self.version.get_or_init(|| chosen.to_owned()))
    }

    /// Whether the negotiated version is at least `version`.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub fn at_least(&self, version: &str) -> Result<bool> {
        Ok(!version_less(self.api_version()?, version))
    }

    /// What the engine says of itself; asked once.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub fn ping(&self) -> Result<&Ping> {
        if let Some(ping) = self.ping.get() {
            return Ok(ping);
        }
        let (status, _, headers, body) = self.exchange(Method::Head, "/_ping", &[], || Body::Empty)?;
        drop(body);
        let text = |name: &str| headers.get(name).unwrap_or_default().to_owned();
        let ping = Ping {
            api_version: text("api-version"),
            os_type: text("ostype"),
            experimental: headers.get("docker-experimental") == Some("true"),
            builder_version: text("builder-version"),
            swarm: text("swarm"),
        };
        if status >= 500 && ping.api_version.is_empty() {
            let url = "/_ping".to_owned();
            return Err(Error::NoMessage { status, reason: status.to_string(), url });
        }
        Ok(self.ping.get_or_init(|| ping))
    }

    fn path(&self, path: &str, query: &Query) -> Result<String> {
        let version = self.api_version()?;
        let base = self.endpoint.base();
        Ok(if query.as_str().is_empty() {
            format!("{base}/v{version}{path}")
        } else {
            format!("{base}/v{version}{path}?{}", query.as_str())
        })
    }

    /// Sends a request and gives the response when its status is below 400.
    ///
    /// # Errors
    /// The engine cannot be reached, or refuses.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        headers: &[(&str, &str)],
        body: Body<'_>,
    ) -> Result<Response> {
        if let Some((before, _)) = path.split_once("//") {
            let object = before.rsplit('/').next().unwrap_or_default().trim_end_matches('s').to_owned();
            return Err(Error::EmptyName { object });
        }
        let path = self.path(path, query)?;
        let mut body = Some(body);
        let (status, reason, headers, reader) =
            self.exchange(method, &path, headers, || body.take().unwrap_or(Body::Empty))?;
        let response = Response { status, headers, body: reader };
        if (200..400).contains(&status) {
            return Ok(response);
        }
        Err(self.failure(response, &reason, &path))
    }

    fn failure(&self, response: Response, reason: &str, path: &str) -> Error {
        let status = response.status;
        let json = response.headers.get("content-type").is_some_and(|t| t.starts_with("application/json"));
        let body = match response.bytes() {
            Ok(body) => body,
            Err(e) => return e,
        };
        if body.is_empty() {
            let url = format!("http://{}{path}", self.endpoint.host_header());
            return Error::NoMessage { status, reason: reason.to_owned(), url };
        }
        let message = if json {
            match serde_json::from_slice::<Value>(&body) {
                Ok(value) => match value["message"].as_str() {
                    Some(text) if !text.is_empty() => text.trim().to_owned(),
                    _ => format!("API returned a {reason} but provided no error-message"),
                },
                Err(source) => return Error::Json { source },
            }
        } else {
            String::from_utf8_lossy(&body).trim().to_owned()
        };
        Error::Api { status, message }
    }

    /// GET, as JSON.
    ///
    /// # Errors
    /// See [`Client::request`].
    pub fn get_json(&self, path: &str, query: &Query) -> Result<Value> {
        self.request(Method::Get, path, query, &[], Body::Empty)?.json()
    }

    /// POST a JSON document (none for an empty body).
    ///
    /// # Errors
    /// See [`Client::request`].
    pub fn post(&self, path: &str, query: &Query, body: Option<&Value>) -> Result<Response> {
        let body = body.map_or(Body::Empty, Body::Json);
        self.request(Method::Post, path, query, &[], body)
    }

    /// DELETE.
    ///
    /// # Errors
    /// See [`Client::request`].
    pub fn delete(&self, path: &str, query: &Query) -> Result<Response> {
        self.request(Method::Delete, path, query, &[], Body::Empty)
    }

    /// POST that turns the connection into a raw stream.
    ///
    /// # Errors
    /// See [`Client::request`]; [`Error::Upgrade`] when the engine does not switch.
    pub fn hijack(&self, path: &str, query: &Query, body: Option<&Value>) -> Result<Hijacked> {
        let path = self.path(path, query)?;
        let mut conn = Conn::new(self.dial()?);
        let head = self.head(
            Method::Post,
            &path,
            &[("Connection", "Upgrade"), ("Upgrade", "tcp")],
            &body.map_or(Body::Empty, Body::Json),
        );
        conn.send(&head, body.map_or(Body::Empty, Body::Json))?;
        let (status, reason, headers) = conn.receive_head()?;
        match status {
            101 | 200 => {
                let kind = headers.get("content-type").unwrap_or_default().to_owned();
                let left = conn.buffer.split_off(conn.at);
                Ok(Hijacked::new(conn.stream, left, kind)?)
            }
            400.. => {
                let pool = Arc::new(Mutex::new(None));
                let reader = BodyReader::new(conn, Method::Post, status, &headers, pool);
                Err(self.failure(Response { status, headers, body: reader }, &reason, &path))
            }
            _ => Err(Error::Upgrade { status }),
        }
    }

    fn exchange<'b>(
        &self,
        method: Method,
        path: &str,
        extra: &[(&str, &str)],
        mut body: impl FnMut() -> Body<'b>,
    ) -> Result<(u16, String, Headers, BodyReader)> {
        let kept = self.pool.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut conn = match kept {
            Some(conn) if conn.at == conn.buffer.len() && conn.stream.is_quiet() => conn,
            _ => Conn::new(self.dial()?),
        };
        let body = body();
        let head = self.head(method, path, extra, &body);
        let sent = conn.send(&head, body);
        // An engine that refuses early answers before it has read everything.
        let received = match (sent, conn.receive_head()) {
            (_, Ok(received)) => received,
            (Err(e), Err(_)) | (Ok(()), Err(e)) => return Err(e),
        };
        let (status, reason, headers) = received;
        let reader = BodyReader::new(conn, method, status, &headers, Arc::clone(&self.pool));
        Ok((status, reason, headers, reader))
    }

    fn head(&self, method: Method, path: &str, extra: &[(&str, &str)], body: &Body<'_>) -> String {
        let agent = if self.options.user_agent.is_empty() { "Docker-Client" } else { self.options.user_agent.as_str() };
        let mut head = format!(
            "{} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\n",
            method.as_str(),
            self.endpoint.host_header()
        );
        let mut add = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        for (name, value) in &self.options.headers {
            add(name, value);
        }
        for (name, value) in extra {
            add(name, value);
        }
        match body {
            Body::Empty if method == Method::Post || method == Method::Put => add("Content-Length", "0"),
            Body::Empty => {}
            Body::Json(value) => {
                add("Content-Type", "application/json");
                add("Content-Length", &value.to_string().len().to_string());
            }
            Body::Stream(_, kind) => {
                add("Content-Type", kind);
                add("Transfer-Encoding", "chunked");
            }
        }
        head.push_str("\r\n");
        head
    }

    fn dial(&self) -> Result<Stream> {
        match &self.endpoint {
            Endpoint::Unix { path } => self.dial_unix(path),
            Endpoint::Tcp { host, port, .. } => {
                let stream = self.dial_tcp(host, *port)?;
                let Some(config) = &self.tls else { return Ok(Stream::Tcp(stream)) };
                let name = ServerName::try_from(host.clone()).map_err(|_| Error::Host { host: self.host.clone() })?;
                let conn = ClientConnection::new(Arc::clone(config), name).map_err(|source| Error::Tls { source })?;
                Ok(Stream::Tls(Box::new(StreamOwned::new(conn, stream))))
            }
        }
    }

    fn dial_unix(&self, path: &Path) -> Result<Stream> {
        UnixStream::connect(path).map(Stream::Unix).map_err(|source| match source.kind() {
            std::io::ErrorKind::PermissionDenied => Error::Permission { host: self.host.clone() },
            std::io::ErrorKind::NotFound => {
                Error::NoSocket { host: self.host.clone(), path: path.display().to_string() }
            }
            std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::TimedOut => {
                Error::Refused { host: self.host.clone() }
            }
            _ => Error::Connect { source },
        })
    }

    fn dial_tcp(&self, host: &str, port: u16) -> Result<TcpStream> {
        let addresses = crate::resolve::resolve(host);
        if addresses.is_empty() {
            return Err(Error::Lookup { host: self.host.clone(), name: host.to_owned() });
        }
        let mut last = Error::Refused { host: self.host.clone() };
        for ip in addresses {
            match TcpStream::connect((ip, port)) {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(source) => last = Error::Connect { source },
            }
        }
        Err(last)
    }
}

/// Whether a dotted version is older than another.
pub(crate) fn version_less(a: &str, b: &str) -> bool {
    let parts = |v: &str| v.split('.').map(|p| p.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    parts(a) < parts(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert!(version_less("1.9", "1.24"));
        assert!(!version_less("1.51", "1.51"));
        assert!(version_less("1.51", "1.55"));
    }
}
