//! The server against raw sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api_compat::{Operation, Version};
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{ApiError, Identity, Layer, Limits, Request, Route, Router, Server, empty, listen, text};

struct State {
    copy_ended: AtomicBool,
}

struct Daemon {
    dir: tempfile::TempDir,
    state: Arc<State>,
}

fn routes() -> Router<State> {
    let other = Operation::Other;
    Router::new(vec![
        Route::new(Method::GET, "/_ping", other, |_| async { Ok(text(StatusCode::OK, "OK")) }),
        Route::new(Method::POST, "/containers/{name}/attach", other, attach),
        Route::new(Method::POST, "/exec/{name}/start", other, attach),
        Route::new(Method::POST, "/greet", other, |mut r: Request<State>| async move {
            r.hijack(api_types::MEDIA_TYPE_RAW_STREAM, |hijacked| async move { hijacked.finish(b"hello").await })
        }),
        Route::new(Method::POST, "/echo/{name}", other, |mut r: Request<State>| async move {
            let value: Option<serde_json::Value> = r.json().await?;
            r.reply(StatusCode::CREATED, &serde_json::json!({"name": r.name, "body": value}))
        }),
        Route::new(Method::POST, "/grpc", other, |_| async { Ok(super::switching_to_h2()) }),
        Route::new(Method::POST, "/new", other, |_| async { Ok(empty(StatusCode::OK)) }).since(Version::new(1, 30)),
    ])
    .with_grpc(Route::new(Method::POST, "/{name}", other, |r: Request<State>| async move {
        Ok(text(StatusCode::OK, format!("called {}", r.name.trim_start_matches('/'))))
    }))
}

/// `nosuch` fails; all others get a stream that sends back in capitals and adds `end` after the end of input.
async fn attach(mut request: Request<State>) -> Result<super::Response, ApiError> {
    if request.name == "nosuch" {
        return Err(ApiError::not_found("No such container: nosuch"));
    }
    let _: Option<serde_json::Value> = request.json().await?;
    let (ours, theirs) = tokio::io::duplex(64);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(theirs);
        let mut buffer = [0; 64];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => to.write_all(&buffer[..n].to_ascii_uppercase()).await.expect("writes"),
            }
        }
        // An end that nobody reads any more is no failure.
        let _ = to.write_all(b"end").await;
    });
    let state = request.state.clone();
    request.hijack(api_types::MEDIA_TYPE_RAW_STREAM, |mut hijacked| async move {
        let mut ours = ours;
        let gone = hijacked.watch().expect("can be watched");
        tokio::select! {
            // How it ended is seen by the client.
            _ = tokio::io::copy_bidirectional(&mut hijacked, &mut ours) => hijacked.close().await,
            () = gone => {}
        }
        state.copy_ended.store(true, Ordering::SeqCst);
    })
}

impl Daemon {
    fn start(limits: Limits, layers: Vec<Layer<State>>) -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let host = format!("unix://{}/s", dir.path().display());
        let listeners = listen(&host, "", None, &super::Inherited::default()).expect("binds");
        let identity = Identity {
            version: "29.0.0".into(),
            experimental: false,
            min_api: Version::OLDEST,
            host_names: Vec::new(),
            any_host: false,
        };
        let state = Arc::new(State { copy_ended: AtomicBool::new(false) });
        let server = Server::new(state.clone(), routes(), layers, identity, limits);
        tokio::spawn(async move {
            for listener in listeners {
                server.serve(listener).await.expect("serves");
            }
        });
        Self { dir, state }
    }

    fn plain() -> Self {
        Self::start(Limits::default(), Vec::new())
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join("s")).await.expect("connects")
    }

    /// Sends this and gives all that comes back until the server closes.
    async fn talk(&self, bytes: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes.as_bytes()).await.expect("writes");
        read_all(&mut socket).await
    }
}

async fn read_all(socket: &mut UnixStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut all)).await;
    read.expect("in time").expect("reads");
    String::from_utf8(all).expect("text")
}

async fn read_head(socket: &mut UnixStream) -> String {
    let mut all = Vec::new();
    while !all.ends_with(b"\r\n\r\n") {
        all.push(socket.read_u8().await.expect("reads"));
    }
    String::from_utf8(all).expect("text")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn versions_are_negotiated_in_dockers_words() {
    let daemon = Daemon::plain();
    let ok = daemon.talk(&get("/_ping")).await;
    assert!(ok.starts_with("HTTP/1.1 200 OK\r\n") && ok.ends_with("\r\n\r\nOK"), "{ok}");
    for header in ["api-version: 1.56", "docker-experimental: false", "ostype: linux", "server: Docker/29.0.0 (linux)"]
    {
        assert!(ok.to_ascii_lowercase().contains(&header.to_ascii_lowercase()), "{header} in {ok}");
    }
    assert!(daemon.talk(&get("/v1.24/_ping")).await.ends_with("\r\n\r\nOK"));
    let old = daemon.talk(&get("/v1.10/_ping")).await;
    assert!(old.starts_with("HTTP/1.1 400 ") && old.contains("text/plain"), "{old}");
    let want = "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a \
                newer version\n";
    assert!(old.ends_with(want), "{old}");
    let new = daemon.talk(&get("/v1.99/_ping")).await;
    let want = "{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.56\"}\n";
    assert!(new.starts_with("HTTP/1.1 400 ") && new.ends_with(want), "{new}");
    let none = daemon.talk(&get("/nosuch")).await;
    assert!(none.starts_with("HTTP/1.1 404 ") && none.ends_with("{\"message\":\"page not found\"}\n"), "{none}");
    let since = daemon.talk("POST /v1.24/new HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").await;
    assert!(since.ends_with("{\"message\":\"POST /new requires minimum API version 1.30\"}\n"), "{since}");
    let moved = daemon.talk(&get("//_ping?a=b")).await;
    assert!(moved.starts_with("HTTP/1.1 301 ") && moved.contains("Location: /_ping?a=b"), "{moved}");
}

#[tokio::test]
async fn bodies_must_be_json_and_say_so() {
    let daemon = Daemon::plain();
    let post = |headers: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /echo/a/b HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
    };
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let ok = daemon.talk(&post(json, "{\"x\":1}")).await;
    assert!(
        ok.starts_with("HTTP/1.1 201 ") && ok.ends_with("{\"body\":{\"x\":1},\"name\":\"a/b\"}\n")
            || ok.ends_with("{\"name\":\"a/b\",\"body\":{\"x\":1}}\n"),
        "{ok}"
    );
    assert!(daemon.talk(&post("", "")).await.contains("\"body\":null"));
    let wrong = daemon.talk(&post("Content-Type: text/plain\r\n", "{}")).await;
    let want = "unsupported Content-Type header (text/plain): must be 'application/json'";
    assert!(wrong.starts_with("HTTP/1.1 400 ") && wrong.contains(want), "{wrong}");
    assert!(daemon.talk(&post(json, "{")).await.contains("invalid JSON: unexpected EOF"));
    assert!(daemon.talk(&post(json, "{} {}")).await.contains("unexpected content after JSON"));
    assert!(daemon.talk(&post(json, " ")).await.contains("got EOF while reading request body"));
}

#[tokio::test]
async fn connections_are_handed_over_with_half_close() {
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    let body = "{\"Detach\":false}";
    let request = format!(
        "POST /v1.40/exec/x/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}early ",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.expect("writes");
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/vnd.docker.raw-stream"), "{head}");
    socket.write_all(b"late").await.expect("writes");
    socket.shutdown().await.expect("half-closes");
    assert_eq!(read_all(&mut socket).await, "EARLY LATEend");
}

#[tokio::test]
async fn clients_that_never_say_upgrade_get_a_plain_stream() {
    let daemon = Daemon::plain();
    let request = "POST /v1.24/containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\n\r\nhello";
    // The end of input comes with the request.
    let mut socket = daemon.connect().await;
    socket.write_all(request.as_bytes()).await.expect("writes");
    socket.shutdown().await.expect("half-closes");
    let want = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nHELLOend";
    assert_eq!(read_all(&mut socket).await, want);
    // On a connection that served other requests before.
    let mut socket = daemon.connect().await;
    for _ in 0..2 {
        let first = "POST /echo/a HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        socket.write_all(first.as_bytes()).await.expect("writes");
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
        while socket.read_u8().await.expect("reads") != b'\n' {}
    }
    socket.write_all(request.as_bytes()).await.expect("writes");
    socket.shutdown().await.expect("half-closes");
    assert_eq!(read_all(&mut socket).await, want);
}

#[tokio::test]
async fn output_comes_after_the_head_has_been_read() {
    let daemon = Daemon::start(Limits::default(), Vec::new());
    for _ in 0..20 {
        let mut stream = daemon.connect().await;
        let head =
            b"POST /greet HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(head).await.expect("writes");
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.expect("reads");
        assert!(buffer[..n].ends_with(b"\r\n\r\n"), "{:?}", String::from_utf8_lossy(&buffer[..n]));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("reads");
        assert_eq!(rest, b"hello");
    }
}

#[tokio::test]
async fn a_failed_hijack_is_an_answer_and_the_end() {
    let daemon = Daemon::plain();
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: tcp\r\n"] {
        let request = format!("POST /containers/nosuch/attach HTTP/1.1\r\nHost: d\r\n{upgrade}\r\n");
        let got = daemon.talk(&request).await;
        assert!(got.starts_with("HTTP/1.1 404 Not Found\r\n") && got.contains("No such container: nosuch"), "{got}");
    }
}

#[tokio::test]
async fn a_body_nobody_wants_is_taken_and_the_connection_lives_on() {
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    let body = "x".repeat(1 << 20);
    for _ in 0..2 {
        let request = format!("PUT /nosuch HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).await.expect("nobody hangs up while the client writes");
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        while socket.read_u8().await.expect("reads") != b'\n' {}
    }
}

#[tokio::test]
async fn a_client_that_vanishes_ends_the_copy() {
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    let request = "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("writes");
    read_head(&mut socket).await;
    drop(socket);
    for _ in 0..100 {
        if daemon.state.copy_ended.load(Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the copy goes on");
}

#[tokio::test]
async fn slow_heads_and_huge_heads_are_cut_off() {
    let limits = Limits { head_timeout: Duration::from_millis(200), ..Limits::default() };
    let daemon = Daemon::start(limits, Vec::new());
    assert_eq!(daemon.talk("").await, "");
    assert_eq!(daemon.talk("GET /_ping HTTP/1.1\r\nA: ").await, "");
    let huge = format!("GET /_ping HTTP/1.1\r\nHost: d\r\nA: {}\r\n\r\n", "x".repeat(1 << 20));
    let mut socket = daemon.connect().await;
    // The server may close before all is written.
    let _ = socket.write_all(huge.as_bytes()).await;
    let mut got = Vec::new();
    let _ = socket.read_to_end(&mut got).await;
    assert!(got.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&got));
    let many = format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{}\r\n", "A: b\r\n".repeat(10_000));
    let mut socket = daemon.connect().await;
    let _ = socket.write_all(many.as_bytes()).await;
    let mut got = Vec::new();
    let _ = socket.read_to_end(&mut got).await;
    assert!(got.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&got));
    assert!(daemon.talk(&get("/_ping")).await.ends_with("OK"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let daemon = Daemon::start(Limits { connections: 1, ..Limits::default() }, Vec::new());
    let mut first = daemon.connect().await;
    first.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("writes");
    read_head(&mut first).await;
    let mut second = daemon.connect().await;
    assert!(read_all(&mut second).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn http2_is_spoken_with_prior_knowledge_on_the_same_socket() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let daemon = Daemon::plain();
    let io = TokioIo::new(daemon.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("shakes hands");
    tokio::spawn(connection);
    for path in ["/_ping", "/v1.44/_ping"] {
        let request = hyper::Request::get(format!("http://docker{path}")).body(super::Body::Empty).expect("request");
        let response = client.send_request(request).await.expect("answers");
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn layers_wrap_every_route_also_hijacked_ones() {
    let deny: Layer<State> = Arc::new(|request: Request<State>, next| {
        Box::pin(async move {
            if next.route().contains("attach") {
                let text = format!("authorization denied: {} {}", next.route(), request.name);
                return Err(ApiError::new(error::ErrorKind::Forbidden, text));
            }
            next.run(request).await
        })
    });
    let daemon = Daemon::start(Limits::default(), vec![deny]);
    assert!(daemon.talk(&get("/_ping")).await.ends_with("OK"));
    let got = daemon.talk("POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 403 "), "{got}");
    assert!(got.contains("authorization denied: POST /containers/{name}/attach x"), "{got}");
}

#[tokio::test]
async fn browsers_are_kept_out() {
    let daemon = Daemon::plain();
    let got = daemon.talk("GET /_ping HTTP/1.1\r\nHost: d\r\nOrigin: http://evil\r\nConnection: close\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 403 ") && !got.to_ascii_lowercase().contains("access-control"), "{got}");
}

/// The next frame: kind, flags, stream, payload.
async fn frame(socket: &mut UnixStream) -> (u8, u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.expect("a frame");
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    socket.read_exact(&mut payload).await.expect("its payload");
    (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// The data of a stream, up to its end; settings are acknowledged once.
async fn data_of(socket: &mut UnixStream, stream: u32) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (kind, flags, of, payload) = frame(socket).await;
        match kind {
            0 if of == stream => all.extend_from_slice(&payload),
            3 | 7 => panic!("stream or connection reset: {payload:?}"),
            _ => {}
        }
        if of == stream && flags & 1 == 1 {
            return all;
        }
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn http2_by_upgrade_answers_the_request_as_stream_1() {
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    // The second request of a connection asks; MAX_CONCURRENT_STREAMS = 100 as settings.
    let asks = "GET /v1.44/_ping HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nUser-Agent: t\r\n\r\n";
    socket.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("writes");
    read_head(&mut socket).await;
    socket.read_exact(&mut [0; 2]).await.expect("OK");
    socket.write_all(asks.as_bytes()).await.expect("writes");
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: h2c\r\n"), "{head}");
    socket.write_all(PREFACE).await.expect("writes");
    socket.write_all(EMPTY_SETTINGS).await.expect("writes");
    assert_eq!(data_of(&mut socket, 1).await, b"OK");
    // The connection goes on: GET /_ping by the static table, a literal path, no Huffman.
    let block = [&[0x82, 0x86, 0x04, 6][..], b"/_ping", &[0x01, 9], b"localhost"].concat();
    let length = u8::try_from(block.len()).expect("short");
    socket.write_all(&[0, 0, length, 1, 5, 0, 0, 0, 3]).await.expect("writes");
    socket.write_all(&block).await.expect("writes");
    assert_eq!(data_of(&mut socket, 3).await, b"OK");
}

#[tokio::test]
async fn http2_by_upgrade_is_declined_where_http1_does() {
    let daemon = Daemon::plain();
    let offer = "Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n";
    let declined = [
        // With a body; without settings; with settings that are none; with two.
        format!(
            "POST /echo/a HTTP/1.1\r\nHost: d\r\n{offer}HTTP2-Settings: AAMAAABk\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{offer}\r\n"),
        format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{offer}HTTP2-Settings: ***\r\n\r\n"),
        format!(
            "GET /_ping HTTP/1.1\r\nHost: d\r\n{offer}HTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        ),
    ];
    for request in declined {
        let got = daemon.talk(&request).await;
        assert!(got.starts_with("HTTP/1.1 20"), "{got}");
    }
    // One that asks and then does not speak it.
    let asks = format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{offer}HTTP2-Settings: AAMAAABk\r\n\r\nGET / HTTP/1.1");
    let got = daemon.talk(&asks).await;
    assert!(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\n"), "{got}");
}

#[tokio::test]
async fn browsers_stay_out_of_upgraded_connections() {
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    let asks = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABk\r\nOrigin: http://evil.example\r\n\r\n";
    socket.write_all(&[asks.as_bytes(), PREFACE, EMPTY_SETTINGS].concat()).await.expect("writes");
    read_head(&mut socket).await;
    let body = data_of(&mut socket, 1).await;
    assert!(String::from_utf8_lossy(&body).contains("cross-origin"), "{body:?}");
}

#[tokio::test]
async fn grpc_connections_begin_behind_the_101_and_serve_the_api_too() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let daemon = Daemon::plain();
    let mut socket = daemon.connect().await;
    let asks = "POST /v1.44/grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    socket.write_all(asks.as_bytes()).await.expect("writes");
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: h2c\r\n"), "{head}");
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.expect("shakes hands");
    tokio::spawn(connection);
    for (content_type, path, want) in
        [("application/grpc", "/a.B/C", "called a.B/C"), ("application/grpc+proto", "/_ping", "called _ping")]
    {
        let request = hyper::Request::post(format!("http://d{path}")).header("content-type", content_type);
        let response = client.send_request(request.body(super::Body::Empty).expect("request")).await.expect("answers");
        use http_body_util::BodyExt;
        assert_eq!(response.into_body().collect().await.expect("reads").to_bytes(), want);
    }
    let ping = hyper::Request::get("http://d/_ping").body(super::Body::Empty).expect("request");
    assert_eq!(client.send_request(ping).await.expect("answers").status(), StatusCode::OK);
}
