//! From a URL to a connection that speaks HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::dns::Resolver;
use super::host_port;
use super::proxy::{Proxy, ProxyRules};
use super::tls::TlsSettings;
use crate::TransportError;
use crate::host::Trust;

const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an address has before the next one is tried beside it (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// The longest head of a proxy's answer to CONNECT.
const PROXY_HEAD_MAX: usize = 16 * 1024;

/// Makes connections for the pool.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    proxies: Arc<ProxyRules>,
    resolver: Resolver,
    tls: TlsSettings,
}

impl Connector {
    pub(super) fn new(trust: Arc<Trust>, proxies: Arc<ProxyRules>, certs_dir: PathBuf) -> Self {
        let shared = Shared { proxies, resolver: Resolver::system(), tls: TlsSettings::new(trust, certs_dir) };
        Self { shared: Arc::new(shared) }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { shared.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Shared {
    async fn connect(&self, uri: &Uri) -> Result<Stream, TransportError> {
        let (host, port) = host_port(uri).ok_or_else(|| TransportError::Broken("no Host in request URL".to_owned()))?;
        let secure = uri.scheme_str() == Some("https");
        let proxy = self.proxies.for_target(secure, host, port);
        let tcp = match proxy {
            Some(proxy) => self.dial(&proxy.host, proxy.port).await?,
            None => self.dial(host, port).await?,
        };
        if !secure {
            return Ok(Stream::Plain { tcp, proxied: proxy.is_some() });
        }
        let tcp = match proxy {
            Some(proxy) => tunnel(tcp, proxy, host, port).await?,
            None => tcp,
        };
        let handshake = self.tls.handshake(tcp, host, port);
        match tokio::time::timeout(TLS_TIMEOUT, handshake).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream?))),
            Err(_) => Err(TransportError::Timeout { what: "TLS handshake", after: TLS_TIMEOUT }),
        }
    }

    /// Connects to the first address that answers; each has a head start before the next.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, TransportError> {
        let addresses = self.resolver.lookup(host).await?;
        let mut queue = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let mut running = JoinSet::new();
        let mut failure = TransportError::NoSuchHost { host: host.to_owned() };
        loop {
            if let Some(address) = queue.next() {
                running.spawn(async move { dial_one(address).await });
            }
            let waiting = queue.len() > 0;
            tokio::select! {
                done = running.join_next() => match done {
                    Some(Ok(Ok(tcp))) => return Ok(tcp),
                    Some(Ok(Err(e))) => failure = e,
                    Some(Err(_)) => {}
                    None if !waiting => return Err(failure),
                    None => {}
                },
                () = tokio::time::sleep(NEXT_ADDRESS), if waiting => {}
            }
        }
    }
}

async fn dial_one(address: SocketAddr) -> Result<TcpStream, TransportError> {
    let fail = |source| TransportError::Dial { address: address.to_string(), source: Arc::new(source) };
    let tcp = match tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(address)).await {
        Ok(result) => result.map_err(fail)?,
        Err(_) => return Err(fail(io::ErrorKind::TimedOut.into())),
    };
    tcp.set_nodelay(true).map_err(fail)?;
    Ok(tcp)
}

/// Asks a proxy for a connection to the target (RFC 9110, CONNECT).
async fn tunnel(mut tcp: TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, TransportError> {
    let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let authorization =
        proxy.authorization.as_deref().map_or(String::new(), |a| format!("Proxy-Authorization: {a}\r\n"));
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    let exchange = async {
        tcp.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to TLS.
        while !head.ends_with(b"\r\n\r\n") && head.len() < PROXY_HEAD_MAX {
            head.push(tcp.read_u8().await?);
        }
        Ok::<_, io::Error>(head)
    };
    let head = match tokio::time::timeout(DIAL_TIMEOUT, exchange).await {
        Ok(head) => head.map_err(|e| TransportError::Proxy(e.to_string()))?,
        Err(_) => return Err(TransportError::Proxy("i/o timeout".to_owned())),
    };
    let line = String::from_utf8_lossy(head.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
    match line.split_once(' ') {
        Some((version, status)) if version.starts_with("HTTP/1.") && status.starts_with('2') => Ok(tcp),
        Some((_, status)) => Err(TransportError::Proxy(status.get(4..).unwrap_or(status).to_owned())),
        None => Err(TransportError::Proxy("malformed HTTP response".to_owned())),
    }
}

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain { tcp: TcpStream, proxied: bool },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain { proxied, .. } => Connected::new().proxy(*proxied),
            Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => Connected::new().negotiated_h2(),
            Self::Tls(_) => Connected::new(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
