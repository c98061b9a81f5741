//! Files in and out: archive, export, changes.

use std::io::{self, BufWriter, Write};

use api_types::container::{FilesystemChange, PathStat};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::{Extract, TreeUse};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use image::ChangeKind;

use crate::handlers::{Request, Result, blocking, convert};
use crate::http::{ApiError, BlockingSender, Body, Response, empty};

const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

fn path(request: &Request) -> Result<String> {
    if request.name.is_empty() {
        return Err(ApiError::bad_request("bad parameter: name cannot be empty"));
    }
    match request.form.get("path") {
        "" => Err(ApiError::bad_request("bad parameter: path cannot be empty")),
        path => Ok(path.to_owned()),
    }
}

/// `HEAD /containers/{id}/archive`, `GET /containers/{id}/archive`
pub(crate) async fn get(request: Request) -> Result {
    let path = path(&request)?;
    let containers = request.state.engine.containers.clone();
    let tree = containers.tree(&request.name, TreeUse::Read).await?;
    let wanted = path.clone();
    let (tree, stat) = blocking(move || {
        let stat = tree.stat(&wanted);
        (tree, stat)
    })
    .await?;
    let stat = stat?;
    let stat = PathStat {
        name: stat.name,
        size: stat.size,
        mode: stat.mode,
        mtime: convert::time(stat.mtime),
        link_target: stat.link_target,
    };
    let json = serde_json::to_vec(&stat).map_err(|e| ApiError::new(error::ErrorKind::System, e.to_string()))?;
    let header = HeaderValue::from_str(&BASE64_STANDARD.encode(json))
        .map_err(|e| ApiError::new(error::ErrorKind::System, e.to_string()))?;
    let mut response = if request.method == Method::HEAD {
        empty(StatusCode::OK)
    } else {
        containers.told_files(&request.name, "archive-path");
        streamed(TAR, move |output| tree.pack(&path, output))
    };
    response.headers_mut().insert("x-docker-container-path-stat", header);
    Ok(response)
}

/// `GET /containers/{id}/export`
pub(crate) async fn export(request: Request) -> Result {
    let containers = &request.state.engine.containers;
    let tree = containers.tree(&request.name, TreeUse::Export).await?;
    containers.told_files(&request.name, "export");
    Ok(streamed(OCTETS, move |output| tree.export(output)))
}

/// A response that is written by a thread. A failure breaks it off.
fn streamed<F>(content_type: HeaderValue, write: F) -> Response
where
    F: FnOnce(&mut BufWriter<BlockingSender>) -> std::result::Result<(), engine::Error> + Send + 'static,
{
    let (sender, body) = Body::chunks();
    tokio::task::spawn_blocking(move || {
        let sender = sender.blocking();
        let mut output = sender.clone().buffered();
        let written = write(&mut output).map_err(|e| io::Error::other(e.to_string()));
        if let Err(e) = written.and_then(|()| output.flush()) {
            tracing::debug!(error = %e, "failed to stream files");
            sender.fail(e);
        }
    });
    let mut response = empty(StatusCode::OK).map(|_| body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// `PUT /containers/{id}/archive`
pub(crate) async fn put(request: Request) -> Result {
    let path = path(&request)?;
    let (keep_kinds, own) = (request.form.bool("noOverwriteDirNonDir"), request.form.bool("copyUIDGID"));
    let containers = request.state.engine.containers.clone();
    let name = request.name.clone();
    let tree = containers.tree(&name, TreeUse::Write).await?;
    let body = request.body_reader();
    let runtime = tokio::runtime::Handle::current();
    blocking(move || {
        let owner = if own { Some(tree.owner()?) } else { None };
        tree.extract(&path, body.blocking(runtime), Extract { keep_kinds, owner })
    })
    .await??;
    containers.told_files(&name, "extract-to-dir");
    Ok(empty(StatusCode::OK))
}

/// `GET /containers/{id}/changes`
pub(crate) async fn changes(request: Request) -> Result {
    let changes = request.state.engine.containers.changes(&request.name).await?;
    let rows: Vec<FilesystemChange> = changes
        .into_iter()
        .map(|change| FilesystemChange {
            path: change.path,
            kind: match change.kind {
                ChangeKind::Modified => 0,
                ChangeKind::Added => 1,
                ChangeKind::Deleted => 2,
            },
        })
        .collect();
    request.reply(StatusCode::OK, &convert::none_if_empty(rows))
}
