use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::http::{ApiError, Body};

/// What a handler gives back.
pub type Response = hyper::Response<Body>;

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// A plain text response.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    with_type(status, "text/plain; charset=utf-8", text.into().into())
}

/// A response with this body.
pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON response, with the line end that Go's encoder writes.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Result<Response, ApiError> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|e| ApiError::new(error::ErrorKind::System, format!("failed to encode the response: {e}")))?;
    bytes.push(b'\n');
    Ok(with_type(status, api_types::MEDIA_TYPE_JSON, bytes.into()))
}

/// The response of a failed request: JSON, or text for clients from before API 1.24 (which expect text).
pub(crate) fn failure(error: &ApiError, plain: bool) -> Response {
    let status = error.status();
    if status == StatusCode::NOT_MODIFIED {
        return empty(status);
    }
    if !plain {
        let body = api_types::ErrorResponse { message: error.message().to_owned() };
        if let Ok(response) = json(status, &body) {
            return response;
        }
    }
    text(status, format!("{}\n", error.message()))
}
