//! The distribution API (OCI distribution 1.1, end-1 … end-14).

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;

use super::{Reply, Request};
use crate::images::{Blob, sha256};
use crate::registry::auth::form;
use crate::registry::{Shared, lock};

pub(super) fn route(shared: &Arc<Shared>, request: &Request) -> Reply {
    let Some(rest) = request.path.strip_prefix("/v2/") else { return not_found("UNKNOWN", "page not found") };
    if rest.is_empty() {
        return Reply::json(StatusCode::OK, &json!({})).with("docker-distribution-api-version", "registry/2.0");
    }
    if rest == "_catalog" {
        return Reply::json(StatusCode::OK, &json!({"repositories": lock(&shared.store).names()}));
    }
    let split = |part: &str| rest.rfind(part).map(|at| (&rest[..at], &rest[at + part.len()..]));
    if let Some((name, upload)) = split("/blobs/uploads/") {
        return uploads(shared, request, name, upload);
    }
    if let Some((name, digest)) = split("/blobs/") {
        return blobs(shared, request, name, digest);
    }
    if let Some((name, object)) = split("/manifests/") {
        return manifests(shared, request, name, object);
    }
    if let Some((name, "list")) = split("/tags/") {
        return tags(shared, request, name);
    }
    if let Some((name, digest)) = split("/referrers/").filter(|_| !shared.options.no_referrers) {
        let mut manifests = lock(&shared.store).referrers(name, digest);
        if let Some(kind) = field(request, "artifactType") {
            manifests.retain(|m| m["artifactType"] == kind);
        }
        let index =
            json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests});
        return Reply::json(StatusCode::OK, &index).with("content-type", "application/vnd.oci.image.index.v1+json");
    }
    not_found("UNKNOWN", "page not found")
}

fn not_found(code: &str, message: &str) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, code, message)
}

fn field(request: &Request, name: &str) -> Option<String> {
    form(request.query.as_bytes()).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

fn blobs(shared: &Shared, request: &Request, name: &str, digest: &str) -> Reply {
    let mut store = lock(&shared.store);
    if request.method == "DELETE" {
        return if store.delete(name, digest) {
            Reply::empty(StatusCode::ACCEPTED)
        } else {
            not_found("BLOB_UNKNOWN", "blob unknown to registry")
        };
    }
    let Some(bytes) = store.blob(name, digest) else { return not_found("BLOB_UNKNOWN", "blob unknown to registry") };
    let total = bytes.len();
    let start = request.header("range").filter(|_| !shared.options.no_range).and_then(|r| r.strip_prefix("bytes="));
    let reply = match start.and_then(|r| r.split_once('-')) {
        Some((start, end)) => {
            let start: usize = start.parse().unwrap_or(usize::MAX);
            let end = end.parse::<usize>().map_or(total, |end| (end + 1).min(total));
            if start >= end {
                return Reply::error(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", "invalid range");
            }
            let reply = Reply { body: bytes.slice(start..end), ..Reply::empty(StatusCode::PARTIAL_CONTENT) };
            reply.with("content-range", &format!("bytes {start}-{}/{total}", end - 1))
        }
        None => Reply { body: bytes, ..Reply::empty(StatusCode::OK) },
    };
    reply
        .with("content-type", "application/octet-stream")
        .with("docker-content-digest", digest)
        .with("accept-ranges", "bytes")
}

fn manifests(shared: &Shared, request: &Request, name: &str, object: &str) -> Reply {
    let mut store = lock(&shared.store);
    match request.method.as_str() {
        "HEAD" if shared.options.no_head => Reply::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "unsupported"),
        "GET" | "HEAD" => {
            let Some(manifest) = store.manifest(name, object) else {
                return not_found("MANIFEST_UNKNOWN", "manifest unknown");
            };
            let reply = Reply { body: manifest.bytes.into(), ..Reply::empty(StatusCode::OK) };
            let reply = reply.with("content-type", &manifest.media_type);
            if shared.options.no_digest_header { reply } else { reply.with("docker-content-digest", &manifest.digest) }
        }
        "PUT" => {
            let missing = store.missing(name, &request.body);
            if !missing.is_empty() {
                return Reply::error(
                    StatusCode::BAD_REQUEST,
                    "MANIFEST_BLOB_UNKNOWN",
                    &format!("blob unknown: {missing:?}"),
                );
            }
            let manifest = Blob::new(request.header("content-type").unwrap_or(""), request.body.to_vec());
            let tag = (!object.contains(':')).then_some(object);
            if tag.is_none() && manifest.digest != object {
                return Reply::error(
                    StatusCode::BAD_REQUEST,
                    "DIGEST_INVALID",
                    "provided digest did not match uploaded content",
                );
            }
            store.put_manifest(name, tag, &manifest);
            Reply::empty(StatusCode::CREATED)
                .with("location", &format!("/v2/{name}/manifests/{}", manifest.digest))
                .with("docker-content-digest", &manifest.digest)
        }
        "DELETE" if store.delete(name, object) => Reply::empty(StatusCode::ACCEPTED),
        "DELETE" => not_found("MANIFEST_UNKNOWN", "manifest unknown"),
        _ => Reply::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "unsupported"),
    }
}

fn uploads(shared: &Shared, request: &Request, name: &str, upload: &str) -> Reply {
    let mut store = lock(&shared.store);
    let created = |digest: &str| {
        Reply::empty(StatusCode::CREATED)
            .with("location", &format!("/v2/{name}/blobs/{digest}"))
            .with("docker-content-digest", digest)
    };
    let accepted = |id: &str, len: usize| {
        Reply::empty(StatusCode::ACCEPTED)
            .with("location", &format!("/v2/{name}/blobs/uploads/{id}?_state=x%2Fy"))
            .with("range", &format!("0-{}", len.saturating_sub(1)))
            .with("docker-upload-uuid", id)
    };
    let finish = |bytes: Vec<u8>, wanted: &str, store: &mut crate::registry::store::Store| {
        if sha256(&bytes) != wanted {
            return Reply::error(
                StatusCode::BAD_REQUEST,
                "DIGEST_INVALID",
                "provided digest did not match uploaded content",
            );
        }
        created(&store.put_blob(name, Bytes::from(bytes)))
    };
    match (request.method.as_str(), upload) {
        ("POST", "") => {
            if let (Some(digest), Some(from)) = (field(request, "mount"), field(request, "from"))
                && store.mount(name, &digest, &from)
            {
                return created(&digest);
            }
            if let Some(digest) = field(request, "digest") {
                return finish(request.body.to_vec(), &digest, &mut store);
            }
            store.next_upload += 1;
            let id = format!("upload-{}", store.next_upload);
            store.uploads.insert(id.clone(), Vec::new());
            accepted(&id, 0)
        }
        ("PATCH", id) => match store.uploads.get_mut(id) {
            Some(bytes) => {
                let begin = request
                    .header("content-range")
                    .and_then(|r| r.split_once('-'))
                    .and_then(|(n, _)| n.parse::<usize>().ok());
                if begin.is_some_and(|n| n != bytes.len()) {
                    return Reply::error(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", "out of order");
                }
                bytes.extend_from_slice(&request.body);
                accepted(id, bytes.len())
            }
            None => not_found("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        },
        ("PUT", id) => match (store.uploads.remove(id), field(request, "digest")) {
            (Some(mut bytes), Some(digest)) => {
                bytes.extend_from_slice(&request.body);
                finish(bytes, &digest, &mut store)
            }
            _ => not_found("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        },
        ("GET", id) => match store.uploads.get(id) {
            Some(bytes) => Reply { status: StatusCode::NO_CONTENT, ..accepted(id, bytes.len()) },
            None => not_found("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        },
        ("DELETE", id) => {
            store.uploads.remove(id);
            Reply::empty(StatusCode::NO_CONTENT)
        }
        _ => Reply::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "unsupported"),
    }
}

fn tags(shared: &Shared, request: &Request, name: &str) -> Reply {
    let Some(mut tags) = lock(&shared.store).tags(name) else {
        return not_found("NAME_UNKNOWN", "repository name not known to registry");
    };
    if let Some(last) = field(request, "last") {
        tags.retain(|t| *t > last);
    }
    // Small pages, so that clients have to turn them.
    let wanted = field(request, "n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX).min(100);
    let more = tags.len() > wanted;
    tags.truncate(wanted);
    let reply = Reply::json(StatusCode::OK, &json!({"name": name, "tags": tags}));
    match tags.last().filter(|_| more) {
        Some(last) => reply.with("link", &format!("</v2/{name}/tags/list?n={wanted}&last={last}>; rel=\"next\"")),
        None => reply,
    }
}
