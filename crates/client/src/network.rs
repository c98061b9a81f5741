//! `/networks`.

use serde_json::Value;

use crate::{Client, Query, Result, encode_component};

fn path(id: &str, rest: &str) -> String {
    format!("/networks/{}{rest}", encode_component(id))
}

/// All networks that match.
pub fn list(client: &Client, filters: &str) -> Result<Value> {
    client.get_json("/networks", &Query::new().with_some("filters", filters))
}

/// Everything about a network.
pub fn inspect(client: &Client, id: &str, query: &Query) -> Result<Value> {
    client.get_json(&path(id, ""), query)
}

/// Makes a network; the answer has `Id` and `Warning`.
pub fn create(client: &Client, body: &Value) -> Result<Value> {
    client.post("/networks/create", &Query::new(), Some(body))?.json()
}

/// Removes it.
pub fn remove(client: &Client, id: &str) -> Result<()> {
    client.delete(&path(id, ""), &Query::new())?.bytes().map(drop)
}

/// Connects a container to it.
pub fn connect(client: &Client, id: &str, body: &Value) -> Result<()> {
    client.post(&path(id, "/connect"), &Query::new(), Some(body))?.bytes().map(drop)
}

/// Disconnects a container from it.
pub fn disconnect(client: &Client, id: &str, body: &Value) -> Result<()> {
    client.post(&path(id, "/disconnect"), &Query::new(), Some(body))?.bytes().map(drop)
}

/// Removes all that nobody uses.
pub fn prune(client: &Client, filters: &str) -> Result<Value> {
    client.post("/networks/prune", &Query::new().with_some("filters", filters), None)?.json()
}
