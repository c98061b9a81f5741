//! The server's side of WebSocket (RFC 6455), as far as attaching needs it: the handshake, payload as it comes (a message
//! need not be whole), pings, and the goodbye.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::ext::ReasonPhrase;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::http::{ApiError, Hijacked, Request, Response};

/// Appended to the client's key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest payload of a control frame.
const CONTROL_MAX: u64 = 125;
const BUFFER: usize = 16 * 1024;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Normal end (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
/// The peer broke the protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// Whether payload is sent as text or as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Text frames, whatever is in them (API below 1.28).
    Text,
    /// Binary frames.
    Binary,
}

/// A handshake that is in order, to be answered.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
}

impl Handshake {
    /// Reads the client's part.
    ///
    /// # Errors
    /// 400 if it is none.
    pub fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let has = |name, token: &str| {
            let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
            values.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case(token))
        };
        if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
            return Err(ApiError::bad_request("not websocket protocol"));
        }
        if !has(SEC_WEBSOCKET_VERSION, "13") {
            return Err(ApiError::bad_request("missing or bad WebSocket Version"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        if BASE64_STANDARD.decode(key).map(|bytes| bytes.len()).ok() != Some(16) {
            return Err(ApiError::bad_request("mismatch challenge/response"));
        }
        let accept = HeaderValue::from_str(&accept_of(key)).map_err(|e| ApiError::bad_request(e.to_string()))?;
        let protocol = headers.get(SEC_WEBSOCKET_PROTOCOL).cloned();
        if protocol.as_ref().is_some_and(|p| p.as_bytes().contains(&b',')) {
            return Err(ApiError::bad_request("bad WebSocket Protocol"));
        }
        Ok(Self { accept, protocol })
    }

    /// Takes the connection over; `then` runs when the answer is on its way.
    ///
    /// # Errors
    /// 400 if the connection cannot be taken over.
    pub fn answer<S, F, R>(self, request: &mut Request<S>, then: F) -> Result<Response, ApiError>
    where
        F: FnOnce(Hijacked) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let mut response = request.hijack("", then)?;
        response.extensions_mut().remove::<ReasonPhrase>();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        Ok(response)
    }
}

fn accept_of(key: &[u8]) -> String {
    let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key);
    sha1.update(GUID);
    BASE64_STANDARD.encode(sha1.finish())
}

/// Why the client's side ended.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Carries bytes between a WebSocket client and `inner` until one side ends. What comes from `inner` is, if `framed`,
/// in Docker's stream format, of which only the payload is passed on.
pub(crate) async fn carry<I>(inner: I, hijacked: Hijacked, payload: Payload, framed: bool)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, to_client) = tokio::io::split(hijacked);
    let (mut from_inner, mut to_inner) = tokio::io::split(inner);
    let writer = tokio::sync::Mutex::new(to_client);
    let code = tokio::select! {
        sent = send_all(&mut from_inner, &writer, payload, framed) => sent.map(|()| NORMAL),
        got = receive_all(&mut from_client, &writer, &mut to_inner) => match got {
            Err(Fault::Protocol(what)) => {
                tracing::debug!("WebSocket: {what}");
                Ok(PROTOCOL_ERROR)
            }
            Err(Fault::Io(e)) => Err(e),
            Ok(()) => Ok(NORMAL),
        },
    };
    if let Ok(code) = code {
        // A client that is gone needs no goodbye.
        let _ = send(&writer, CLOSE, &code.to_be_bytes()).await;
    }
    from_client.unsplit(writer.into_inner()).close().await;
}

async fn send<W: AsyncWrite + Unpin>(writer: &tokio::sync::Mutex<W>, opcode: u8, bytes: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(bytes.len() + 10);
    frame.push(0x80 | opcode);
    match (u8::try_from(bytes.len()), u16::try_from(bytes.len())) {
        (Ok(n @ 0..=125), _) => frame.push(n),
        (_, Ok(n)) => {
            frame.push(126);
            frame.extend_from_slice(&n.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(bytes);
    let mut writer = writer.lock().await;
    writer.write_all(&frame).await?;
    writer.flush().await
}

async fn send_all<R, W>(from: &mut R, writer: &tokio::sync::Mutex<W>, payload: Payload, framed: bool) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let opcode = if payload == Payload::Binary { BINARY } else { TEXT };
    let mut buffer = vec![0; BUFFER];
    let mut rest = if framed { 0 } else { usize::MAX };
    loop {
        if rest == 0 {
            let mut header = [0; 8];
            match from.read_exact(&mut header).await {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            };
            let [.., a, b, c, d] = header;
            rest = u32::from_be_bytes([a, b, c, d]) as usize;
            continue;
        }
        let want = rest.min(buffer.len());
        let n = from.read(&mut buffer[..want]).await?;
        if n == 0 {
            return Ok(());
        }
        if framed {
            rest -= n;
        }
        send(writer, opcode, &buffer[..n]).await?;
    }
}

/// One frame's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    opcode: u8,
    length: u64,
    mask: [u8; 4],
}

async fn read_head<R: AsyncRead + Unpin>(from: &mut R) -> Result<Head, Fault> {
    let mut start = [0; 2];
    from.read_exact(&mut start).await?;
    let (fin, opcode) = (start[0] & 0x80 != 0, start[0] & 0x0f);
    if start[0] & 0x70 != 0 {
        return Err(Fault::Protocol("reserved bits are set"));
    }
    if start[1] & 0x80 == 0 {
        return Err(Fault::Protocol("a client's frame is not masked"));
    }
    let length = match start[1] & 0x7f {
        126 => u64::from(from.read_u16().await?),
        127 => from.read_u64().await?,
        short => u64::from(short),
    };
    if opcode >= CLOSE && (!fin || length > CONTROL_MAX) {
        return Err(Fault::Protocol("a control frame is in parts or too long"));
    }
    let mut mask = [0; 4];
    from.read_exact(&mut mask).await?;
    Ok(Head { opcode, length, mask })
}

/// Passes the client's payload on until it says goodbye.
async fn receive_all<R, W, I>(from: &mut R, writer: &tokio::sync::Mutex<W>, to: &mut I) -> Result<(), Fault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    I: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let head = read_head(from).await?;
        let (mut rest, mut at) = (head.length, 0_usize);
        let mut control = Vec::new();
        while rest > 0 {
            let want = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
            let n = from.read(&mut buffer[..want]).await?;
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            for byte in &mut buffer[..n] {
                *byte ^= head.mask[at % 4];
                at = (at + 1) % 4;
            }
            rest -= n as u64;
            match head.opcode {
                CONTINUATION | TEXT | BINARY => to.write_all(&buffer[..n]).await?,
                _ => control.extend_from_slice(&buffer[..n]),
            }
        }
        match head.opcode {
            CONTINUATION | TEXT | BINARY => to.flush().await?,
            PING => send(writer, PONG, &control).await?,
            PONG => {}
            CLOSE => return Ok(()),
            _ => return Err(Fault::Protocol("an unknown kind of frame")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match u8::try_from(payload.len()) {
            Ok(n @ 0..=125) => frame.push(0x80 | n),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(payload.len()).expect("short").to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        frame
    }

    async fn receive(frames: &[u8]) -> (Result<(), Fault>, Vec<u8>, Vec<u8>) {
        let (sent, mut got) = (tokio::sync::Mutex::new(Vec::new()), Vec::new());
        let result = receive_all(&mut &frames[..], &sent, &mut got).await;
        (result, got, sent.into_inner())
    }

    #[test]
    fn the_answer_to_a_key_is_the_rfcs() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_needs_all_its_headers() {
        let full = [
            (UPGRADE, "websocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let with = |skip: usize| {
            let kept = full.iter().enumerate().filter(|(i, _)| *i != skip);
            kept.map(|(_, (k, v))| (k.clone(), HeaderValue::from_static(v))).collect::<HeaderMap>()
        };
        assert!(Handshake::read(&with(9)).is_ok());
        for (i, (name, _)) in full.iter().enumerate() {
            assert!(Handshake::read(&with(i)).is_err(), "without {name}");
        }
    }

    #[tokio::test]
    async fn payload_is_unmasked_and_pings_are_answered() {
        let long = vec![b'x'; 300];
        let mut frames = masked(0x02, b"he");
        frames.extend(masked(0x89, b"hi"));
        frames.extend(masked(0x80, b"llo"));
        frames.extend(masked(0x81, &long));
        frames.extend(masked(0x88, &[3, 232]));
        let (result, got, sent) = receive(&frames).await;
        assert!(result.is_ok());
        assert_eq!(got, [b"hello".to_vec(), long].concat());
        assert_eq!(sent, b"\x8a\x02hi");
    }

    #[tokio::test]
    async fn what_breaks_the_protocol_ends_it() {
        let bare = [0x82, 1, b'x'];
        let cut = masked(0x09, b"x");
        let unknown = masked(0x83, b"x");
        let reserved = masked(0xc2, b"x");
        for frames in [&bare[..], &cut, &unknown, &reserved] {
            assert!(matches!(receive(frames).await.0, Err(Fault::Protocol(_))), "{frames:?}");
        }
        assert!(matches!(receive(&masked(0x82, b"xyz")[..7]).await.0, Err(Fault::Io(_))));
    }

    #[tokio::test]
    async fn only_the_payload_of_dockers_frames_is_sent() {
        let stream = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x03err";
        let sent = tokio::sync::Mutex::new(Vec::new());
        send_all(&mut &stream[..], &sent, Payload::Binary, true).await.expect("sent");
        assert_eq!(sent.into_inner(), b"\x82\x03out\x82\x03err");
        let sent = tokio::sync::Mutex::new(Vec::new());
        send_all(&mut &[b'y'; 70_000][..], &sent, Payload::Text, false).await.expect("sent");
        let sent = sent.into_inner();
        assert_eq!(sent[..4], [0x81, 126, 0x40, 0]);
    }
}
