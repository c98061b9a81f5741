//! `POST /images/create`: pull, and import of a root file system.

use api_types::jsonmessage::JsonMessage;
use api_types::registry::AuthConfig;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use image::{Import, Pull};
use registry_client::Credentials;

use crate::handlers::stream::progress;
use crate::handlers::{Request, Result, platform_text, reference, repo_tag};
use crate::http::ApiError;

/// Pulls or imports.
pub(crate) async fn create(request: Request) -> Result {
    match request.form.non_empty("fromImage") {
        Some(image) => {
            let image = image.to_owned();
            pull(request, &image).await
        }
        None => import(request).await,
    }
}

async fn pull(request: Request, image: &str) -> Result {
    let platform = platform_text(request.form.get("platform"))?;
    // "pull -a" of old clients sends a name with a colon at its end.
    let mut wanted = reference(image.strip_suffix(':').unwrap_or(image))?;
    let tag = request.form.get("tag");
    if !tag.is_empty() {
        wanted = match tag.parse::<id::Digest>() {
            Ok(digest) => wanted.with_digest(digest),
            Err(_) => wanted.with_tag(tag).ok_or_else(|| ApiError::bad_request("invalid tag format"))?,
        };
    }
    if wanted.familiar_name() == "scratch" {
        return Err(ApiError::new(error::ErrorKind::Forbidden, "'scratch' is a reserved name"));
    }
    let auth = credentials(request.header("x-registry-auth"));
    // Without a tag all of them are meant; it is the client that says `latest`.
    let pull = Pull { reference: wanted, platform, auth };
    let engine = request.state.engine.clone();
    progress(
        |sink| {
            Box::pin(async move {
                let pulled = engine.images.pull(pull, sink).await;
                sys::process::trim_heap();
                pulled
            })
        },
        |_| Vec::new(),
    )
    .await
}

/// The credentials in `X-Registry-Auth`. What cannot be read counts as none, as in Docker.
pub(crate) fn credentials(header: &str) -> Option<Credentials> {
    let bytes = BASE64_URL_SAFE.decode(header).or_else(|_| BASE64_STANDARD.decode(header)).ok()?;
    let auth: AuthConfig = serde_json::from_slice(&bytes).ok()?;
    Some(credentials_of(auth)).filter(|c| !c.is_empty())
}

/// A client's credentials as the registry client takes them. `auth` is name and password in one.
pub(crate) fn credentials_of(auth: AuthConfig) -> Credentials {
    let both = BASE64_STANDARD.decode(&auth.auth).ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
    let (username, password) = match both.split_once(':') {
        Some((user, password)) if auth.username.is_empty() => {
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        }
        _ => (auth.username, auth.password),
    };
    Credentials {
        username,
        password,
        identity_token: auth.identity_token,
        registry_token: auth.registry_token,
        server_address: auth.server_address,
    }
}

async fn import(request: Request) -> Result {
    let form = &request.form;
    let source = form.get("fromSrc").to_owned();
    let reference = repo_tag(form.get("repo"), form.get("tag"))?;
    let platform = platform_text(form.get("platform"))?;
    let message = match form.get("message") {
        "" => format!("Imported from {source}"),
        message => message.to_owned(),
    };
    let import = Import { reference, platform, message, changes: form.all("changes") };
    let engine = request.state.engine.clone();
    if source != "-" {
        return progress(
            move |sink| Box::pin(async move { engine.images.import_url(&source, import, sink).await }),
            |id| vec![JsonMessage::status(id.to_string())],
        )
        .await;
    }
    let body = request.body_reader();
    progress(
        |_| Box::pin(async move { engine.images.import(body, import).await }),
        |id| vec![JsonMessage::status(id.to_string())],
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_all_their_forms() {
        let header = |json: &str| credentials(&BASE64_URL_SAFE.encode(json));
        let basic = Credentials { username: "u".into(), password: "p".into(), ..Credentials::default() };
        assert_eq!(header(r#"{"username":"u","password":"p"}"#), Some(basic.clone()));
        assert_eq!(header(r#"{"auth":"dTpw"}"#), Some(basic));
        let token = Credentials { username: "u".into(), identity_token: "t".into(), ..Credentials::default() };
        assert_eq!(header(r#"{"username":"u","identitytoken":"t"}"#), Some(token));
        assert_eq!(header("{}"), None);
        assert_eq!(credentials("%%%"), None);
        assert_eq!(credentials(""), None);
    }
}
