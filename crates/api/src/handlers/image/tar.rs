//! Images as archives: load and save.

use api_types::MEDIA_TYPE_JSON;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use image::{Load, Save};

use crate::handlers::stream::progress;
use crate::handlers::{Request, Result, platforms};
use crate::http::{ApiError, Body, JsonLines, empty};

/// `POST /images/load`
pub(crate) async fn load(request: Request) -> Result {
    let load = Load { platforms: platforms(&request.form, "platform")? };
    let quiet = request.form.bool_or("quiet", true);
    let engine = request.state.engine.clone();
    let body = request.body_reader();
    let result = progress(
        move |sink| {
            let sink = if quiet { image::null_sink() } else { sink };
            Box::pin(async move {
                let loaded = engine.images.load(body, load, sink).await;
                sys::process::trim_heap();
                loaded
            })
        },
        |loaded| loaded.iter().map(said).collect(),
    )
    .await;
    // Docker has sent its headers by now, so a failure is a line of the stream.
    result.or_else(|e| Ok(failed(&e)))
}

fn said(loaded: &image::Loaded) -> api_types::jsonmessage::JsonMessage {
    let text = match &loaded.name {
        Some(name) => format!("Loaded image: {name}\n"),
        None => format!("Loaded image ID: {}\n", loaded.id),
    };
    api_types::jsonmessage::JsonMessage::stream(text)
}

fn failed(e: &ApiError) -> crate::http::Response {
    let (lines, response) = JsonLines::open_crlf(MEDIA_TYPE_JSON);
    let message = api_types::jsonmessage::JsonMessage::failure(e.message());
    tokio::spawn(async move {
        // A client that is gone does not care.
        let _ = lines.send(&message).await;
    });
    response
}

/// `GET /images/get`, `GET /images/{name}/get`
pub(crate) async fn get(request: Request) -> Result {
    let names = if request.name.is_empty() { request.form.all("names") } else { vec![request.name.clone()] };
    let save = Save { names, platforms: platforms(&request.form, "platform")? };
    let engine = request.state.engine.clone();
    // What can be refused is refused before the response is under way.
    for name in &save.names {
        super::embedded::ensure(&request.state, name).await?;
        engine.images.store().inspect(name, None)?;
    }
    let (sender, body) = Body::chunks();
    let mut response = empty(StatusCode::OK).map(|_| body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    tokio::spawn(async move {
        let work = engine.images.save(save, sender.clone().writer());
        tokio::select! {
            saved = work => {
                if let Err(e) = saved {
                    tracing::warn!(error = %e, "failed to save images");
                    sender.fail(std::io::Error::other(e.to_string())).await;
                }
            }
            () = sender.closed() => {}
        }
    });
    Ok(response)
}
