//! `/containers`. Bodies and answers are Docker's JSON as it is on the wire.

use std::io::Read;

use serde_json::Value;

use crate::{Body, Client, Hijacked, Method, Query, Response, Result, encode_component};

fn path(id: &str, rest: &str) -> String {
    format!("/containers/{}{rest}", encode_component(id))
}

/// All containers that match (`all`, `limit`, `size`, `filters`).
pub fn list(client: &Client, query: &Query) -> Result<Value> {
    client.get_json("/containers/json", query)
}

/// Makes a container; the answer has `Id` and `Warnings`.
pub fn create(client: &Client, name: &str, platform: &str, body: &Value) -> Result<Value> {
    let query = Query::new().with_some("name", name).with_some("platform", platform);
    client.post("/containers/create", &query, Some(body))?.json()
}

/// Everything about a container.
pub fn inspect(client: &Client, id: &str, size: bool) -> Result<Value> {
    client.get_json(&path(id, "/json"), &Query::new().with_flag("size", size))
}

/// Starts it.
pub fn start(client: &Client, id: &str, query: &Query) -> Result<()> {
    client.post(&path(id, "/start"), query, None)?.bytes().map(drop)
}

/// `stop` or `restart` with `t` seconds of grace and another signal.
pub fn stop(client: &Client, id: &str, verb: &str, timeout: Option<i64>, signal: &str) -> Result<()> {
    let mut query = Query::new().with_some("signal", signal);
    if let Some(timeout) = timeout {
        query.add("t", &timeout.to_string());
    }
    client.post(&path(id, &format!("/{verb}")), &query, None)?.bytes().map(drop)
}

/// `kill`.
pub fn kill(client: &Client, id: &str, signal: &str) -> Result<()> {
    client.post(&path(id, "/kill"), &Query::new().with_some("signal", signal), None)?.bytes().map(drop)
}

/// `pause`, `unpause`.
pub fn simple(client: &Client, id: &str, verb: &str) -> Result<()> {
    client.post(&path(id, &format!("/{verb}")), &Query::new(), None)?.bytes().map(drop)
}

/// Begins to wait. The engine has registered the wait when this returns; the status is the body.
pub fn wait_begin(client: &Client, id: &str, condition: &str) -> Result<Response> {
    client.post(&path(id, "/wait"), &Query::new().with_some("condition", condition), None)
}

/// Removes it.
pub fn remove(client: &Client, id: &str, query: &Query) -> Result<()> {
    client.delete(&path(id, ""), query)?.bytes().map(drop)
}

/// Gives it another name.
pub fn rename(client: &Client, id: &str, name: &str) -> Result<()> {
    client.post(&path(id, "/rename"), &Query::new().with("name", name), None)?.bytes().map(drop)
}

/// Changes limits and restart policy; the answer has `Warnings`.
pub fn update(client: &Client, id: &str, body: &Value) -> Result<Value> {
    client.post(&path(id, "/update"), &Query::new(), Some(body))?.json()
}

/// Its log, multiplexed unless it has a terminal.
pub fn logs(client: &Client, id: &str, query: &Query) -> Result<Response> {
    client.request(Method::Get, &path(id, "/logs"), query, &[], Body::Empty)
}

/// Its streams.
pub fn attach(client: &Client, id: &str, query: &Query) -> Result<Hijacked> {
    client.hijack(&path(id, "/attach"), query, None)
}

/// Sets the size of its terminal.
pub fn resize(client: &Client, id: &str, rows: u16, cols: u16) -> Result<()> {
    let query = Query::new().with("h", &rows.to_string()).with("w", &cols.to_string());
    client.post(&path(id, "/resize"), &query, None)?.bytes().map(drop)
}

/// Its processes.
pub fn top(client: &Client, id: &str, ps_args: &str) -> Result<Value> {
    client.get_json(&path(id, "/top"), &Query::new().with_some("ps_args", ps_args))
}

/// Its figures: one document, or one per second.
pub fn stats(client: &Client, id: &str, stream: bool) -> Result<Response> {
    let query = Query::new().with("stream", if stream { "1" } else { "0" });
    client.request(Method::Get, &path(id, "/stats"), &query, &[], Body::Empty)
}

/// What it changed of its image's files.
pub fn changes(client: &Client, id: &str) -> Result<Value> {
    client.get_json(&path(id, "/changes"), &Query::new())
}

/// Its file system as a tar stream.
pub fn export(client: &Client, id: &str) -> Result<Response> {
    client.request(Method::Get, &path(id, "/export"), &Query::new(), &[], Body::Empty)
}

/// What a path of it is: the `X-Docker-Container-Path-Stat` header, base64 of JSON.
pub fn archive_stat(client: &Client, id: &str, file: &str) -> Result<Response> {
    client.request(Method::Head, &path(id, "/archive"), &Query::new().with("path", file), &[], Body::Empty)
}

/// A path of it as a tar stream.
pub fn archive_get(client: &Client, id: &str, file: &str) -> Result<Response> {
    client.request(Method::Get, &path(id, "/archive"), &Query::new().with("path", file), &[], Body::Empty)
}

/// Unpacks a tar stream into a directory of it.
pub fn archive_put(client: &Client, id: &str, query: &Query, tar: &mut dyn Read) -> Result<()> {
    let body = Body::Stream(tar, "application/x-tar");
    client.request(Method::Put, &path(id, "/archive"), query, &[], body)?.bytes().map(drop)
}

/// Makes an image of it; the answer has `Id`.
pub fn commit(client: &Client, query: &Query, config: &Value) -> Result<Value> {
    client.post("/commit", query, Some(config))?.json()
}

/// Removes all that are stopped.
pub fn prune(client: &Client, filters: &str) -> Result<Value> {
    client.post("/containers/prune", &Query::new().with_some("filters", filters), None)?.json()
}
