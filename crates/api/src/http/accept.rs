//! From an accepted socket to a served connection.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::http::conn::{Conn, Patience};
use crate::http::h2c::{self, Rewound, Takeover};
use crate::http::head::H2_PREFACE;
use crate::http::listen::{Listener, Origin, Socket};
use crate::http::request::Peer;
use crate::http::server::{Core, Limits};
use crate::http::transport::Transport;

/// A socket that was just accepted.
pub(crate) enum Raw {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Raw> {
        match &self.socket {
            Socket::Unix(listener) => Ok(Raw::Unix(listener.accept().await?.0)),
            Socket::Tcp(listener) | Socket::Tls(listener, _) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Raw::Tcp(stream))
            }
        }
    }

    /// TLS, if this listener speaks it.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        match &self.socket {
            Socket::Tls(_, config) => Some(TlsAcceptor::from(config.clone())),
            Socket::Unix(_) | Socket::Tcp(_) => None,
        }
    }
}

/// Serves one connection to its end, or until `stop` says so and the request at hand is done.
pub(crate) async fn serve<S: Send + Sync + 'static>(
    core: Arc<Core<S>>,
    origin: Arc<Origin>,
    raw: Raw,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let head = core.limits.head_timeout;
    let (transport, peer, start) = match tokio::time::timeout(head, open(raw, tls)).await {
        Ok(opened) => opened?,
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let peer = Arc::new(peer);
    if start.starts_with(H2_PREFACE) {
        serve_h2(core, origin, Rewound { start, io: transport }, peer, stop).await
    } else {
        serve_h1(core, origin, transport, start, peer, stop).await
    }
}

/// Shakes hands and reads as much as is needed to tell HTTP/2 from HTTP/1.
async fn open(raw: Raw, tls: Option<TlsAcceptor>) -> io::Result<(Transport, Peer, Vec<u8>)> {
    let (mut transport, peer) = match (raw, tls) {
        (Raw::Unix(stream), _) => {
            let peer = stream
                .peer_cred()
                .map_or(Peer::Local { uid: None, pid: None }, |c| Peer::Local { uid: Some(c.uid()), pid: c.pid() });
            (Transport::Unix(stream), peer)
        }
        (Raw::Tcp(stream), None) => {
            let address = stream.peer_addr()?;
            (Transport::Tcp(stream), Peer::Network { address, verified: false })
        }
        (Raw::Tcp(stream), Some(acceptor)) => {
            let address = stream.peer_addr()?;
            if speaks_plainly(&stream).await? {
                let mut stream = stream;
                stream.write_all(WRONG_PROTOCOL).await?;
                stream.shutdown().await?;
                // Closed with its request unread, the client would not get to read the answer.
                let mut rest = Vec::new();
                let _ =
                    tokio::time::timeout(Duration::from_secs(1), stream.take(64 * 1024).read_to_end(&mut rest)).await;
                return Err(io::ErrorKind::InvalidData.into());
            }
            let stream = acceptor.accept(stream).await?;
            let verified = stream.get_ref().1.peer_certificates().is_some();
            (Transport::Tls(Box::new(stream)), Peer::Network { address, verified })
        }
    };
    let mut start = Vec::with_capacity(4096);
    while start.len() < H2_PREFACE.len() && H2_PREFACE.starts_with(&start) {
        if transport.read_buf(&mut start).await? == 0 {
            if start.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            break;
        }
    }
    Ok((transport, peer, start))
}

/// What Go's server says to a client that forgot to speak TLS.
const WRONG_PROTOCOL: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Whether a client on a TLS port begins with the name of an HTTP method. (A TLS record begins with a small number.)
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; 1];
    Ok(stream.peek(&mut start).await? == 1 && start[0].is_ascii_uppercase())
}

async fn serve_h1<S: Send + Sync + 'static>(
    core: Arc<Core<S>>,
    origin: Arc<Origin>,
    transport: Transport,
    start: Vec<u8>,
    peer: Arc<Peer>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let Limits { head_timeout, idle_timeout, .. } = core.limits;
    let conn = Conn::new(transport, start, Patience { head: head_timeout, idle: idle_timeout });
    let takeover = Arc::new(Mutex::new(None));
    let service = {
        let (core, origin, peer, takeover) = (core.clone(), origin.clone(), peer.clone(), takeover.clone());
        service_fn(move |request| {
            let (core, origin, peer, takeover) = (core.clone(), origin.clone(), peer.clone(), takeover.clone());
            async move { Ok::<_, Infallible>(core.handle(request, &origin, peer, Some(&takeover)).await) }
        })
    };
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(conn), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    tokio::select! {
        done = served.as_mut() => done,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    }
    .map_err(io::Error::other)?;
    let takeover = takeover.lock().unwrap_or_else(PoisonError::into_inner).take();
    match takeover {
        Some(Takeover { upgrade, first }) => {
            let upgraded = upgrade.await.map_err(io::Error::other)?;
            let parts = upgraded.downcast::<TokioIo<Conn>>().map_err(|_| io::Error::other("not our connection"))?;
            let mut io = parts.io.into_inner();
            io.hand_over();
            let start = match first {
                None => parts.read_buf.to_vec(),
                Some(first) => {
                    tokio::time::timeout(head_timeout, h2c::begin(&mut io, &parts.read_buf, first)).await??
                }
            };
            serve_h2(core, origin, Rewound { start, io }, peer, stop).await
        }
        None => Ok(()),
    }
}

async fn serve_h2<S, T>(
    core: Arc<Core<S>>,
    origin: Arc<Origin>,
    io: Rewound<T>,
    peer: Arc<Peer>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: Send + Sync + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (core, origin, peer) = (core.clone(), origin.clone(), peer.clone());
        async move { Ok::<_, Infallible>(core.handle(request, &origin, peer, None).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(64 * 1024)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .serve_connection(TokioIo::new(io), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        done = served.as_mut() => done,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    }
    .map_err(io::Error::other)
}

/// Resolves when the server is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender's end means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says goodbye to a connection that is one too many.
pub(crate) async fn refuse(raw: Raw) {
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\
        Connection: close\r\n\r\n{\"message\":\"too many open connections\"}\r\n";
    // Best effort: it is closed in any case.
    let _ = match raw {
        Raw::Unix(mut s) => s.write_all(BUSY).await,
        Raw::Tcp(mut s) => s.write_all(BUSY).await,
    };
}
