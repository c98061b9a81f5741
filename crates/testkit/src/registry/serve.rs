//! HTTP.

mod routes;

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use super::fault::Fault;
use super::{Logged, Shared, auth, lock};

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        Self { body: value.to_string().into(), ..Self::empty(status) }.with("content-type", "application/json")
    }

    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"errors": [{"code": code, "message": message}]}))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Serves until `stopped` resolves.
pub(super) fn run(
    shared: &Arc<Shared>,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let accept = async {
            loop {
                let Ok((tcp, _)) = listener.accept().await else { continue };
                tokio::spawn(connection(shared.clone(), tcp, tls.clone()));
            }
        };
        tokio::select! { () = accept => {}, _ = stopped => {} }
    });
}

async fn connection(shared: Arc<Shared>, tcp: tokio::net::TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    let Ok(tcp) = tcp.into_std() else { return };
    // To turn the close at the end into a reset.
    let Ok(handle) = tcp.try_clone() else { return };
    let handle = Arc::new(handle);
    let Ok(tcp) = tokio::net::TcpStream::from_std(tcp) else { return };
    match tls {
        None => http(shared, tcp, handle, false).await,
        Some(_) if breaks(&shared) => {
            // The greeting is here, its answer never comes.
            let mut first = [0];
            if tcp.peek(&mut first).await.is_ok_and(|n| n == 1 && first != [0x16]) {
                lock(&shared.log).push(Logged { method: "PLAIN".to_owned(), ..Logged::default() });
            }
            reset_on_close(&handle);
        }
        Some(config) => {
            if let Ok(stream) = TlsAcceptor::from(config).accept(tcp).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                http(shared, stream, handle, http2).await;
            }
        }
    }
}

fn breaks(shared: &Shared) -> bool {
    let less = |left: u32| left.checked_sub(1);
    shared.broken_handshakes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
}

async fn http(
    shared: Arc<Shared>,
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    handle: Arc<std::net::TcpStream>,
    http2: bool,
) {
    let service = service_fn(move |request| {
        let (shared, handle) = (shared.clone(), handle.clone());
        async move { answer(&shared, request, &handle).await }
    });
    // The client may go away at any time.
    let io = TokioIo::new(io);
    if http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(io, service).await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    }
}

async fn answer(
    shared: &Arc<Shared>,
    request: hyper::Request<Incoming>,
    handle: &Arc<std::net::TcpStream>,
) -> Result<Response<Outgoing>, Cut> {
    let (head, body) = request.into_parts();
    let http2 = head.version == hyper::Version::HTTP_2;
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers,
        body,
    };
    let fault = lock(&shared.faults).strike(&request.method, &request.path);
    let reply = respond(shared, &request, fault.as_ref());
    let text = |name: &str| request.header(name).map(str::to_owned);
    lock(&shared.log).push(Logged {
        authorization: text("authorization"),
        range: text("range"),
        http2,
        user_agent: text("user-agent"),
        form: if request.path == "/token" {
            String::from_utf8_lossy(&request.body).into_owned()
        } else {
            String::new()
        },
        status: if fault == Some(Fault::ResetAfter(0)) { 0 } else { reply.status.as_u16() },
        length: reply.body.len() as u64,
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
    });
    if fault == Some(Fault::ResetAfter(0)) {
        reset_on_close(handle);
        return Err(Cut);
    }
    let mut response = Response::builder().status(reply.status).header("content-length", reply.body.len());
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let data = if request.method == "HEAD" { Bytes::new() } else { reply.body };
    let head = request.method == "HEAD";
    let outgoing = Outgoing {
        data,
        at: 0,
        fault,
        handle: handle.clone(),
        shared: shared.clone(),
        pause: None,
        head,
        flushed: false,
    };
    Ok(response.body(outgoing).expect("headers of a test registry are valid"))
}

fn respond(shared: &Arc<Shared>, request: &Request, fault: Option<&Fault>) -> Reply {
    match fault {
        Some(Fault::Status(code, after, body)) => {
            let status = StatusCode::from_u16(*code).expect("a status");
            let reply = Reply { body: Bytes::from_static(body.as_bytes()), ..Reply::empty(status) };
            return match after {
                Some(seconds) => reply.with("retry-after", &seconds.to_string()),
                None => reply,
            };
        }
        Some(Fault::TokenExpiry) => lock(&shared.tokens).clear(),
        Some(Fault::Redirect(url)) => {
            let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
            let target = url.replace("{path}", &format!("{}{query}", request.path));
            return Reply::empty(StatusCode::TEMPORARY_REDIRECT).with("location", &target);
        }
        _ => {}
    }
    if request.path == "/token" {
        return auth::token(shared, request);
    }
    let mut reply = auth::check(shared, request).unwrap_or_else(|| routes::route(shared, request));
    match fault {
        Some(Fault::Corrupt) if !reply.body.is_empty() => {
            let mut bytes = reply.body.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            reply.body = bytes.into();
        }
        Some(Fault::Longer(n)) => {
            let mut bytes = reply.body.to_vec();
            bytes.resize(bytes.len() + usize::try_from(*n).expect("a length"), b'x');
            reply.body = bytes.into();
        }
        Some(Fault::Shorter(n)) => {
            reply.body = reply.body.slice(..reply.body.len().saturating_sub(usize::try_from(*n).expect("a length")));
        }
        Some(Fault::ContentType(kind)) => reply = reply.with("content-type", kind),
        Some(Fault::DigestHeader(digest)) => reply = reply.with("docker-content-digest", digest),
        Some(Fault::Location(url)) if reply.status == StatusCode::ACCEPTED => reply = reply.with("location", url),
        _ => {}
    }
    reply
}

/// The connection ends without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

fn reset_on_close(handle: &std::net::TcpStream) {
    // Without it the fault is an ordinary close: the test still sees a broken connection.
    let _ = rustix::net::sockopt::set_socket_linger(handle, Some(Duration::ZERO));
}

/// A body with its fault.
struct Outgoing {
    data: Bytes,
    at: u64,
    fault: Option<Fault>,
    handle: Arc<std::net::TcpStream>,
    shared: Arc<Shared>,
    pause: Option<Pin<Box<Sleep>>>,
    head: bool,
    flushed: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        let mut len = (this.data.len() as u64).min(64 * 1024);
        match &this.fault {
            Some(Fault::ResetAfter(n) | Fault::TruncateAfter(n) | Fault::StallAfter(n)) => {
                len = len.min(n.saturating_sub(this.at));
                if len == 0 && this.at >= *n && !this.data.is_empty() {
                    if !this.flushed {
                        // The server holds bytes back while there are more at once, and a reset drops what the client has not read.
                        this.flushed = true;
                        this.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(200))));
                        return Pin::new(this).poll_frame(cx);
                    }
                    match &this.fault {
                        Some(Fault::StallAfter(_)) => return Poll::Pending,
                        Some(Fault::ResetAfter(_)) => reset_on_close(&this.handle),
                        _ => {}
                    }
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
                }
            }
            Some(Fault::Slow(rate)) => {
                len = len.min((rate / 20).max(1));
                this.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(50))));
            }
            _ => {}
        }
        if this.data.is_empty() {
            return Poll::Ready(None);
        }
        let part = this.data.split_to(usize::try_from(len).expect("a length"));
        this.at += len;
        lock(&this.shared.faults).sent += len;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.head { SizeHint::default() } else { SizeHint::with_exact(self.data.len() as u64) }
    }
}
