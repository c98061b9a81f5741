//! `GET /containers/{id}/logs`.

use engine::{LogOptions, LogStream};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::attach::media_type;
use crate::handlers::{Request, Result, convert};
use crate::http::{ApiError, Body, BodySender, empty};

/// Streams a container's log.
pub(crate) async fn logs(request: Request) -> Result {
    let form = &request.form;
    let (stdout, stderr) = (form.bool("stdout"), form.bool("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::bad_request("must specify at least one of 'stdout' or 'stderr'"));
    }
    let options = LogOptions {
        stdout,
        stderr,
        follow: form.bool("follow"),
        timestamps: form.bool("timestamps"),
        details: form.bool("details"),
        since: convert::unix_argument(form, "since")?,
        until: convert::unix_argument(form, "until")?,
        // Anything that is no number means all, as in Docker.
        tail: form.get("tail").parse().ok(),
    };
    let stream = request.state.engine.containers.logs(&request.name, &options)?;
    let content_type = media_type(&request, stream.tty());
    let (sender, body) = Body::chunks();
    tokio::spawn(pump(stream, sender));
    let mut response = empty(StatusCode::OK).map(|_| body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

async fn pump(mut stream: LogStream, sender: BodySender) {
    loop {
        let chunk = tokio::select! {
            chunk = stream.next() => chunk,
            () = sender.closed() => return,
        };
        let sent = match chunk {
            None => return,
            Some(Ok(chunk)) => sender.send(chunk).await,
            // The response is under way, so the failure is told in it, on the engine's own stream (3).
            Some(Err(e)) => sender.send(frame(3, &format!("Error grabbing logs: {e}\n"), stream.tty())).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A text as one frame of a multiplexed stream; as it is on a terminal's.
pub(crate) fn frame(stream: u8, text: &str, tty: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + text.len());
    if !tty {
        bytes.extend_from_slice(&[stream, 0, 0, 0]);
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
