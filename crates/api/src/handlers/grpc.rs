//! The door for gRPC: `POST /grpc` makes a connection HTTP/2, calls are answered on any HTTP/2 connection. What there
//! is so far is the health service; of every other one gRPC's own way of saying so tells that it is not there.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};

use super::{Request, Result};
use crate::http::{ApiError, Body, Response, empty, switching_to_h2, wants_h2};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Status codes of gRPC.
const OK: u16 = 0;
const INVALID_ARGUMENT: u16 = 3;
const NOT_FOUND: u16 = 5;
const UNIMPLEMENTED: u16 = 12;
/// A health check's message is a service's name.
const MAX_MESSAGE: usize = 4096;

/// `POST /grpc`
pub(crate) async fn upgrade(request: Request) -> Result {
    let wanted = request.header(UPGRADE.as_str());
    if wanted.is_empty() {
        return Err(ApiError::bad_request("no upgrade proto in request"));
    }
    if !wants_h2(&request.headers) || !request.can_hijack() {
        return Err(ApiError::bad_request(format!("protocol {wanted} not supported")));
    }
    Ok(switching_to_h2())
}

/// A call; the path is the method's name.
pub(crate) async fn call(mut request: Request) -> Result {
    let name = request.name.clone();
    let (service, method) = name.trim_start_matches('/').rsplit_once('/').unwrap_or_default();
    match (service, method) {
        ("grpc.health.v1.Health", "Check") => {
            let message = request.bytes(MAX_MESSAGE).await?;
            Ok(match asked_service(&message) {
                // SERVING, as field 1.
                Some("") => answer(&[0x08, 0x01]),
                Some(_) => status(NOT_FOUND, "unknown service"),
                None => status(INVALID_ARGUMENT, "malformed message"),
            })
        }
        ("grpc.health.v1.Health", _) => {
            Ok(status(UNIMPLEMENTED, &format!("unknown method {method} for service {service}")))
        }
        ("", _) => Ok(status(UNIMPLEMENTED, &format!("malformed method name: {name:?}"))),
        _ => Ok(status(UNIMPLEMENTED, &format!("unknown service {service}"))),
    }
}

/// The text of field 1 of an uncompressed message.
fn asked_service(message: &[u8]) -> Option<&str> {
    let [0, a, b, c, d, message @ ..] = message else { return None };
    if u32::from_be_bytes([*a, *b, *c, *d]) as usize != message.len() {
        return None;
    }
    match message {
        [] => Some(""),
        // Names of 128 bytes and more are nobody's.
        [0x0a, length @ 0..0x80, text @ ..] if text.len() == usize::from(*length) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// A message and success.
fn answer(message: &[u8]) -> Response {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, OK.into());
    let mut response = Response::new(Body::Trailed(Some(Bytes::from(framed)), Some(Box::new(trailers))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A status without a message: headers only.
fn status(code: u16, message: &str) -> Response {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, code.into());
    // Percent-encoded, as gRPC wants it.
    let encoded: String = message
        .bytes()
        .map(|b| if matches!(b, b' '..=b'~') && b != b'%' { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    if let Ok(message) = HeaderValue::from_str(&encoded) {
        headers.insert(MESSAGE, message);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_read_from_the_message() {
        assert_eq!(asked_service(b"\0\0\0\0\0"), Some(""));
        assert_eq!(asked_service(b"\0\0\0\0\x03\x0a\x01x"), Some("x"));
        assert_eq!(asked_service(b"\0\0\0\0\x02\x0a\0"), Some(""));
        for bad in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\0\0\0\0\x09\x0a\x01x", b"\0\0\0\0\x03\x0a\x02x"] {
            assert_eq!(asked_service(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn messages_are_encoded() {
        let response = status(UNIMPLEMENTED, "100% \u{e4}");
        assert_eq!(response.headers()["grpc-message"], "100%25 %C3%A4");
        assert_eq!(response.headers()["grpc-status"], "12");
    }
}
