//! Handlers, one file per group, and the routing table.

mod container;
mod convert;
mod event;
mod exec;
mod grpc;
mod image;
mod network;
mod routes;
mod stream;
mod system;
mod unsupported;
mod volume;

pub use routes::router;

use std::str::FromStr;

use oci::image::Platform;
use units::filter::Filters;

use crate::App;
use crate::http::{ApiError, Form, Response};

/// A request to a handler.
pub(crate) type Request = crate::http::Request<App>;
/// What a handler gives back.
pub(crate) type Result<T = Response> = std::result::Result<T, ApiError>;

/// Runs work that blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| ApiError::new(error::ErrorKind::System, format!("a task failed: {e}")))
}

/// The `filters` argument.
fn filters(form: &Form) -> Result<Filters> {
    Ok(Filters::from_json(form.get("filters"))?)
}

/// A platform as users write it: `linux/amd64`, `linux/arm64/v8`, `amd64`.
fn platform_text(text: &str) -> Result<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    let parts: Vec<&str> = text.split('/').collect();
    let valid =
        |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    // The first part may carry the version of an operating system.
    if parts.len() < 4 && !valid(&parts[0]) {
        return Err(ApiError::bad_request(format!(
            "{:?} is an invalid OS component of {text:?}: OSAndVersion specifier component must match \
             \"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.%-]*)((?:\\\\+[A-Za-z0-9_.%-]+)*)\\\\))?$\": invalid argument",
            parts[0]
        )));
    }
    if parts.len() > 3 || !parts.iter().all(valid) {
        return Err(ApiError::bad_request(format!(
            "{text:?} is an invalid component of {text:?}: platform specifier component must match \
             \"^[A-Za-z0-9_.-]+$\": invalid argument"
        )));
    }
    let (os, architecture, variant) = match parts[..] {
        [os @ ("linux" | "windows" | "darwin" | "freebsd")] => (os, host_architecture(), None),
        [architecture] => ("linux", architecture, None),
        [os, architecture] => (os, architecture, None),
        _ => (parts[0], parts[1], Some(parts[2].to_owned())),
    };
    let architecture = match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        other => other,
    };
    Ok(Some(Platform {
        os: os.to_ascii_lowercase(),
        architecture: architecture.to_ascii_lowercase(),
        variant,
        ..Platform::default()
    }))
}

fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A platform as newer arguments carry it: JSON.
fn platform_json(text: &str) -> Result<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    let platform: Platform =
        serde_json::from_str(text).map_err(|e| ApiError::bad_request(format!("failed to parse platform: {e}")))?;
    match (platform.os.is_empty(), platform.architecture.is_empty()) {
        (false, false) => Ok(Some(platform)),
        (true, true) if platform.variant.is_some() || platform.os_version.is_some() => {
            Err(ApiError::bad_request("optional platform fields provided, but OS and Architecture are missing"))
        }
        _ => Err(ApiError::bad_request("both OS and Architecture must be provided")),
    }
}

/// All platforms of a repeated argument.
fn platforms(form: &Form, key: &str) -> Result<Vec<Platform>> {
    form.all(key).iter().filter_map(|text| platform_json(text).transpose()).collect()
}

/// A reference in Docker's grammar.
fn reference(text: &str) -> Result<id::Reference> {
    id::Reference::from_str(text).map_err(|e| ApiError::bad_request(e.to_string()))
}

/// `repo` and `tag` of a request; `None` without a repository.
fn repo_tag(repo: &str, tag: &str) -> Result<Option<id::Reference>> {
    if repo.is_empty() {
        return Ok(None);
    }
    let parsed = reference(repo)?;
    if parsed.digest().is_some() {
        return Err(ApiError::bad_request("cannot import digest reference"));
    }
    if tag.is_empty() {
        return Ok(Some(parsed.or_latest()));
    }
    parsed.with_tag(tag).map(Some).ok_or_else(|| ApiError::bad_request("invalid tag format"))
}
