//! `POST /images/{name}/push`, `POST /auth`, `POST /commit`.

use api_types::IdResponse;
use api_types::jsonmessage::JsonMessage;
use api_types::registry::{AuthConfig, AuthResponse};
use engine::CommitOptions;
use hyper::StatusCode;
use image::{Push, Pushed};
use serde_json::value::RawValue;

use super::pull::{credentials, credentials_of};
use crate::handlers::stream::progress;
use crate::handlers::{Request, Result, platform_json, reference, repo_tag};
use crate::http::ApiError;

/// Pushes an image, or all tags of a repository.
pub(crate) async fn push(request: Request) -> Result {
    let tag = request.form.get("tag");
    let wanted = match repo_tag(&request.name, tag)? {
        Some(wanted) if !tag.is_empty() => wanted,
        _ => reference(&request.name)?,
    };
    let platform = platform_json(request.form.get("platform"))?;
    let push = Push { reference: wanted, platform, auth: credentials(request.header("x-registry-auth")) };
    let engine = request.state.engine.clone();
    progress(
        |sink| Box::pin(async move { engine.images.push(push, sink).await }),
        |pushed| pushed.iter().flat_map(told).collect(),
    )
    .await
}

/// What the client is told of a push beside its progress.
fn told(pushed: &Pushed) -> Vec<JsonMessage> {
    let aux = |value: serde_json::Value| JsonMessage {
        aux: RawValue::from_string(value.to_string()).ok(),
        ..JsonMessage::default()
    };
    let mut all = Vec::new();
    if let Some(index) = &pushed.instead_of {
        all.push(aux(serde_json::json!({
            "manifestPushedInsteadOfIndex": true,
            "originalIndex": index,
            "selectedManifest": pushed.descriptor,
        })));
    }
    all.push(aux(serde_json::json!({
        "Tag": pushed.reference.tag().unwrap_or_default(),
        "Digest": pushed.descriptor.digest,
        "Size": pushed.descriptor.size,
    })));
    all
}

/// Tries credentials.
pub(crate) async fn auth(mut request: Request) -> Result {
    let bytes = request.bytes(64 * 1024).await?;
    let given: AuthConfig = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError::bad_request(format!("invalid X-Registry-Auth header: {e}")))?;
    let token = request.state.engine.images.login(&credentials_of(given)).await?;
    let answer = AuthResponse { status: "Login Succeeded".to_owned(), identity_token: token.unwrap_or_default() };
    request.reply(StatusCode::OK, &answer)
}

/// Makes an image of a container.
pub(crate) async fn commit(mut request: Request) -> Result {
    let config: Option<spec::Config> = request.json::<Option<spec::Config>>().await?.flatten();
    let form = &request.form;
    let options = CommitOptions {
        reference: repo_tag(form.get("repo"), form.get("tag"))?,
        author: form.get("author").to_owned(),
        comment: form.get("comment").to_owned(),
        config,
        changes: form.all("changes"),
        pause: form.bool_or("pause", true),
    };
    let engine = &request.state.engine;
    let id = engine.images.commit(&engine.containers, form.get("container"), options).await?;
    request.reply(StatusCode::CREATED, &IdResponse { id: id.to_string() })
}
