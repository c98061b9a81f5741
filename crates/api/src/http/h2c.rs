//! From HTTP/1.1 to HTTP/2 on an unencrypted connection.
//!
//! Two kinds of clients ask. Those after RFC 7540, 3.2 send `HTTP2-Settings` and want the answer to the request that
//! asked as stream 1. Docker's own, on `POST /grpc`, send `Upgrade: h2c` only: after the `101` the connection starts
//! from nothing. Either way the connection then serves every route, through the same layers as any other.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{StatusCode, http::request::Parts};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::http::head::H2_PREFACE;
use crate::http::{Response, empty};

/// The largest frame that a peer takes before it says otherwise (RFC 9113, 4.2).
const MAX_FRAME: usize = 16 * 1024;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 0x1;
const SETTINGS: u8 = 0x4;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What makes a connection HTTP/2 once its `101` is out.
#[derive(Debug)]
pub(crate) struct Takeover {
    /// The connection, when it is free.
    pub(crate) upgrade: OnUpgrade,
    /// The request that asked, if it is to be answered over HTTP/2.
    pub(crate) first: Option<First>,
}

/// A request that is answered as stream 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// The client's settings: the payload of a SETTINGS frame.
    settings: Vec<u8>,
    /// The request as frames.
    frames: Vec<u8>,
}

/// Marks a handler's `101` as one behind which HTTP/2 is spoken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpeaksH2;

/// The answer that changes the protocol.
pub(crate) fn switching() -> Response {
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("h2c"));
    response.extensions_mut().insert(SpeaksH2);
    response
}

/// Whether `Upgrade` names `h2c`.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    lists(headers, &UPGRADE, "h2c")
}

/// The request as stream 1, if it asks for that as RFC 7540 says. Requests with a body are answered over HTTP/1.1,
/// which is always allowed: nothing of a body has to be kept then.
pub(crate) fn first(parts: &Parts, body: &Incoming) -> Option<First> {
    use hyper::body::Body as _;
    let headers = &parts.headers;
    let mut offers = headers.get_all("http2-settings").iter();
    let (settings, None) = (offers.next()?, offers.next()) else { return None };
    let asks = parts.version == hyper::Version::HTTP_11
        && body.is_end_stream()
        && wanted(headers)
        && lists(headers, &CONNECTION, "upgrade")
        && lists(headers, &CONNECTION, "http2-settings");
    if !asks {
        return None;
    }
    let settings = URL_SAFE_NO_PAD.decode(settings.as_bytes().trim_ascii()).ok()?;
    // Six bytes each; more than fit into a frame beside those that follow are no honest client's.
    if settings.len() % 6 != 0 || settings.len() > MAX_FRAME / 2 {
        return None;
    }
    Some(First { settings, frames: header_frames(&header_block(parts)?) })
}

/// Whether a header that is a list has this entry.
fn lists(headers: &HeaderMap, name: &HeaderName, entry: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|v| v.trim().eq_ignore_ascii_case(entry))
}

/// The head as a header block in which nothing is compressed (RFC 7541, 6.2.2): that leaves the peer's tables alone.
fn header_block(parts: &Parts) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    let mut put = |name: &[u8], value: &[u8]| {
        block.push(0);
        integer(&mut block, name.len());
        block.extend_from_slice(name);
        integer(&mut block, value.len());
        block.extend_from_slice(value);
    };
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    put(b":method", parts.method.as_str().as_bytes());
    put(b":scheme", b"http");
    put(b":path", path.as_bytes());
    if let Some(host) = parts.headers.get(HOST).filter(|h| !h.is_empty()) {
        // A name that is none would make the whole stream malformed: then HTTP/1.1 says what is wrong with it.
        host.to_str().ok()?.parse::<hyper::http::uri::Authority>().ok()?;
        put(b":authority", host.as_bytes());
    }
    for (name, value) in &parts.headers {
        let hop = ["connection", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "upgrade"];
        let framing = ["content-length", "transfer-encoding", "trailer"];
        if !hop.contains(&name.as_str()) && !framing.contains(&name.as_str()) {
            put(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    Some(block)
}

/// An integer with a 7-bit prefix and no Huffman flag (RFC 7541, 5.1).
fn integer(out: &mut Vec<u8>, n: usize) {
    const PREFIX: usize = 0x7f;
    if n < PREFIX {
        out.push((n & PREFIX) as u8);
        return;
    }
    out.push(PREFIX as u8);
    let mut rest = n - PREFIX;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

/// HEADERS on stream 1, with CONTINUATIONs if need be.
fn header_frames(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + 2 * FRAME_HEAD);
    let mut chunks = block.chunks(MAX_FRAME).enumerate().peekable();
    while let Some((n, chunk)) = chunks.next() {
        let (kind, flags) = if n == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
        let last = if chunks.peek().is_none() { END_HEADERS } else { 0 };
        frame(&mut out, kind, flags | last, 1, chunk);
    }
    out
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Reads the start of the client's half of the connection and gives what the HTTP/2 side is to read instead: the same,
/// with the settings of the request that asked before the client's own, and that request behind them. (The client
/// counts one SETTINGS frame and expects one acknowledgement, so both become one frame.)
///
/// # Errors
/// If the client sends no HTTP/2, or nothing.
pub(crate) async fn begin(io: &mut (impl AsyncRead + Unpin), early: &[u8], first: First) -> io::Result<Vec<u8>> {
    let mut seen = early.to_vec();
    let head = H2_PREFACE.len() + FRAME_HEAD;
    at_least(io, &mut seen, head).await?;
    let no_h2 = || io::Error::new(io::ErrorKind::InvalidData, "the client upgraded to HTTP/2 and does not speak it");
    let settings = &seen[H2_PREFACE.len()..head];
    let length = usize::from(settings[0]) << 16 | usize::from(settings[1]) << 8 | usize::from(settings[2]);
    if !seen.starts_with(H2_PREFACE) || settings[3] != SETTINGS || settings[4] != 0 || length > MAX_FRAME / 2 {
        return Err(no_h2());
    }
    at_least(io, &mut seen, head + length).await?;
    let mut merged = first.settings;
    merged.extend_from_slice(&seen[head..head + length]);
    let mut out = H2_PREFACE.to_vec();
    frame(&mut out, SETTINGS, 0, 0, &merged);
    out.extend_from_slice(&first.frames);
    out.extend_from_slice(&seen[head + length..]);
    Ok(out)
}

async fn at_least(io: &mut (impl AsyncRead + Unpin), seen: &mut Vec<u8>, want: usize) -> io::Result<()> {
    while seen.len() < want {
        // What is no preface is not waited for.
        let known = seen.len().min(H2_PREFACE.len());
        if seen[..known] != H2_PREFACE[..known] {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if io.read_buf(seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// A connection of which the start was read already.
#[derive(Debug)]
pub(crate) struct Rewound<T> {
    pub(crate) start: Vec<u8>,
    pub(crate) io: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.start.is_empty() {
            let n = self.start.len().min(buf.remaining());
            buf.put_slice(&self.start[..n]);
            self.start.drain(..n);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_rfc() {
        let encoded = |n| {
            let mut out = Vec::new();
            integer(&mut out, n);
            out
        };
        assert_eq!(encoded(10), [10]);
        assert_eq!(encoded(126), [126]);
        assert_eq!(encoded(127), [127, 0]);
        assert_eq!(encoded(1337), [127, 0b1011_1010, 9]);
    }

    #[test]
    fn long_heads_take_several_frames() {
        let frames = header_frames(&vec![7; MAX_FRAME + 5]);
        assert_eq!(frames[..FRAME_HEAD], [0, 0x40, 0, HEADERS, END_STREAM, 0, 0, 0, 1]);
        let second = &frames[FRAME_HEAD + MAX_FRAME..];
        assert_eq!(second, [0, 0, 5, CONTINUATION, END_HEADERS, 0, 0, 0, 1, 7, 7, 7, 7, 7]);
    }

    #[tokio::test]
    async fn both_settings_become_one_frame_before_the_request() {
        let first = || First { settings: vec![1; 6], frames: vec![9; 3] };
        let mut client = H2_PREFACE.to_vec();
        frame(&mut client, SETTINGS, 0, 0, &[2; 6]);
        client.extend_from_slice(b"more");
        let mut want = H2_PREFACE.to_vec();
        frame(&mut want, SETTINGS, 0, 0, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        want.extend_from_slice(b"\x09\x09\x09more");
        for split in [0, 5, client.len()] {
            let got = begin(&mut &client[split..], &client[..split], first()).await.expect("begins");
            assert_eq!(got, want, "{split} bytes came with the request");
        }
        assert!(begin(&mut &b"GET / HTTP/1.1\r\n\r\n"[..], b"", first()).await.is_err());
        assert!(begin(&mut &client[..30], b"", first()).await.is_err());
    }
}
