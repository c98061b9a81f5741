//! Attaching: a connection, raw or a WebSocket, that is handed over to a session of the engine.

use api_compat::Behaviour;
use api_types::{MEDIA_TYPE_MULTIPLEXED_STREAM, MEDIA_TYPE_RAW_STREAM};
use engine::{AttachOptions, Session};

use crate::handlers::{Request, Result};
use crate::http::{ApiError, Handshake, Hijacked, Payload, carry_websocket, text};

/// `POST /containers/{id}/attach`
pub(crate) async fn attach(mut request: Request) -> Result {
    if !request.can_hijack() {
        let text = format!("error attaching to container {}, hijack connection missing", request.name);
        return Err(ApiError::bad_request(text));
    }
    let form = &request.form;
    let options = AttachOptions {
        logs: form.bool("logs"),
        stream: form.bool("stream"),
        stdin: form.bool("stdin"),
        stdout: form.bool("stdout"),
        stderr: form.bool("stderr"),
        detach_keys: form.non_empty("detachKeys").map(str::to_owned),
    };
    let session = match request.state.engine.containers.attach(&request.name, options).await {
        Ok(session) => session,
        // Docker has taken the connection over by then, and tells it in plain text.
        Err(error) => {
            let error = ApiError::from(error);
            return Ok(text(error.status(), format!("{}\r\n", error.message())));
        }
    };
    let content_type = media_type(&request, session.tty);
    request.hijack(content_type, |hijacked| carry(session, hijacked))
}

/// Bytes between a session and its WebSocket that may be on their way.
const WEBSOCKET_BUFFER: usize = 64 * 1024;

/// `GET /containers/{id}/attach/ws`
pub(crate) async fn websocket(mut request: Request) -> Result {
    let behaviour = Behaviour::of(request.version);
    let form = &request.form;
    let wanted = |stream: &str| !behaviour.websocket_flags || form.bool(stream);
    let options = AttachOptions {
        logs: form.bool("logs"),
        stream: form.bool("stream"),
        stdin: wanted("stdin"),
        stdout: wanted("stdout"),
        stderr: wanted("stderr"),
        detach_keys: form.non_empty("detachKeys").map(str::to_owned),
    };
    let containers = &request.state.engine.containers;
    containers.inspect(&request.name)?;
    let handshake = Handshake::read(&request.headers)?;
    let session = containers.attach(&request.name, options).await?;
    let payload = if behaviour.websocket_binary { Payload::Binary } else { Payload::Text };
    handshake.answer(&mut request, move |hijacked| carry_by_websocket(session, hijacked, payload))
}

async fn carry_by_websocket(session: Session, hijacked: Hijacked, payload: Payload) {
    let gone = match hijacked.watch() {
        Ok(gone) => gone,
        Err(e) => {
            tracing::warn!(error = %e, "failed to watch an attached client");
            return;
        }
    };
    let framed = !session.tty;
    let (client, inner) = tokio::io::duplex(WEBSOCKET_BUFFER);
    let session = async {
        if let Err(e) = session.run(client).await {
            tracing::warn!(error = %e, "attached stream ended");
        }
    };
    let (mut session, mut carried) =
        (std::pin::pin!(session), std::pin::pin!(carry_websocket(inner, hijacked, payload, framed)));
    tokio::select! {
        // What it has written still has to go out.
        () = &mut session => carried.await,
        () = &mut carried => {}
        () = gone => {}
    }
}

/// The content type of a stream with or without a terminal behind it.
pub(crate) fn media_type(request: &Request, tty: bool) -> &'static str {
    if !tty && Behaviour::of(request.version).multiplexed_type {
        MEDIA_TYPE_MULTIPLEXED_STREAM
    } else {
        MEDIA_TYPE_RAW_STREAM
    }
}

/// Carries a session's bytes until it ends or the client is gone.
pub(crate) async fn carry(session: Session, mut hijacked: Hijacked) {
    let gone = match hijacked.watch() {
        Ok(gone) => gone,
        Err(e) => {
            tracing::warn!(error = %e, "failed to watch an attached client");
            return;
        }
    };
    tokio::select! {
        ended = session.run(&mut hijacked) => {
            if let Err(e) = ended {
                tracing::warn!(error = %e, "attached stream ended");
            }
            hijacked.close().await;
        }
        () = gone => {}
    }
}
