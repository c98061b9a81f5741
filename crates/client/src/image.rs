//! `/images`.

use std::io::Read;

use serde_json::Value;

use crate::{Body, Client, Method, Query, Response, Result, encode_component};

fn path(name: &str, rest: &str) -> String {
    format!("/images/{}{rest}", encode_component(name))
}

/// All images that match.
pub fn list(client: &Client, query: &Query) -> Result<Value> {
    client.get_json("/images/json", query)
}

/// Everything about an image.
pub fn inspect(client: &Client, name: &str, query: &Query) -> Result<Value> {
    client.get_json(&path(name, "/json"), query)
}

/// Its layers' history, newest first.
pub fn history(client: &Client, name: &str, query: &Query) -> Result<Value> {
    client.get_json(&path(name, "/history"), query)
}

/// Gives it another name.
pub fn tag(client: &Client, source: &str, repository: &str, tag: &str) -> Result<()> {
    let query = Query::new().with("repo", repository).with_some("tag", tag);
    client.post(&path(source, "/tag"), &query, None)?.bytes().map(drop)
}

/// Removes names and, with the last one, the image; the answer lists `Untagged` and `Deleted`.
pub fn remove(client: &Client, name: &str, query: &Query) -> Result<Value> {
    client.delete(&path(name, ""), query)?.json()
}

/// Pulls (`fromImage`, `tag`, `platform`); the body is progress. `auth` is the `X-Registry-Auth` header.
pub fn pull(client: &Client, query: &Query, auth: &str) -> Result<Response> {
    client.request(Method::Post, "/images/create", query, &[("X-Registry-Auth", auth)], Body::Empty)
}

/// Imports a file system (`fromSrc`, `repo`, …); the body is progress.
pub fn import(client: &Client, query: &Query, tar: Option<&mut dyn Read>) -> Result<Response> {
    let body = tar.map_or(Body::Empty, |tar| Body::Stream(tar, "text/plain"));
    client.request(Method::Post, "/images/create", query, &[], body)
}

/// Pushes; the body is progress.
pub fn push(client: &Client, name: &str, query: &Query, auth: &str) -> Result<Response> {
    client.request(Method::Post, &path(name, "/push"), query, &[("X-Registry-Auth", auth)], Body::Empty)
}

/// Loads images of a tar stream; the body is progress.
pub fn load(client: &Client, query: &Query, tar: &mut dyn Read) -> Result<Response> {
    client.request(Method::Post, "/images/load", query, &[], Body::Stream(tar, "application/x-tar"))
}

/// Images as a tar stream.
pub fn save(client: &Client, query: &Query) -> Result<Response> {
    client.request(Method::Get, "/images/get", query, &[], Body::Empty)
}

/// Removes what nobody uses.
pub fn prune(client: &Client, filters: &str) -> Result<Value> {
    client.post("/images/prune", &Query::new().with_some("filters", filters), None)?.json()
}

/// Searches the registry.
pub fn search(client: &Client, query: &Query, auth: &str) -> Result<Value> {
    client.request(Method::Get, "/images/search", query, &[("X-Registry-Auth", auth)], Body::Empty)?.json()
}
