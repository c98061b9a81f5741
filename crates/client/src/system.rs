//! The engine itself.

use serde_json::Value;

use crate::{Body, Client, Method, Query, Response, Result};

/// `docker version`'s server half.
pub fn version(client: &Client) -> Result<Value> {
    client.get_json("/version", &Query::new())
}

/// `docker info`'s server half.
pub fn info(client: &Client) -> Result<Value> {
    client.get_json("/info", &Query::new())
}

/// Disk usage.
pub fn disk_usage(client: &Client, query: &Query) -> Result<Value> {
    client.get_json("/system/df", query)
}

/// Has the engine verify its image store.
pub fn check(client: &Client, query: &Query) -> Result<Value> {
    client.post("/system/check", query, None)?.json()
}

/// Events, one JSON document after the other.
pub fn events(client: &Client, query: &Query) -> Result<Response> {
    client.request(Method::Get, "/events", query, &[], Body::Empty)
}

/// Checks credentials; the answer has `Status` and perhaps `IdentityToken`.
pub fn login(client: &Client, auth: &Value) -> Result<Value> {
    client.post("/auth", &Query::new(), Some(auth))?.json()
}

/// Prunes the build cache.
pub fn build_prune(client: &Client, query: &Query) -> Result<Value> {
    client.post("/build/prune", query, None)?.json()
}

/// Any object by path (`inspect` of swarm objects and plugins).
pub fn get(client: &Client, path: &str) -> Result<Value> {
    client.get_json(path, &Query::new())
}
