//! `/volumes`.

use serde_json::Value;

use crate::{Client, Query, Result, encode_component};

fn path(name: &str) -> String {
    format!("/volumes/{}", encode_component(name))
}

/// All volumes that match; the answer has `Volumes` and `Warnings`.
pub fn list(client: &Client, filters: &str) -> Result<Value> {
    client.get_json("/volumes", &Query::new().with_some("filters", filters))
}

/// Everything about a volume.
pub fn inspect(client: &Client, name: &str) -> Result<Value> {
    client.get_json(&path(name), &Query::new())
}

/// Makes a volume.
pub fn create(client: &Client, body: &Value) -> Result<Value> {
    client.post("/volumes/create", &Query::new(), Some(body))?.json()
}

/// Removes it.
pub fn remove(client: &Client, name: &str, force: bool) -> Result<()> {
    client.delete(&path(name), &Query::new().with_flag("force", force))?.bytes().map(drop)
}

/// Removes all that nobody uses.
pub fn prune(client: &Client, filters: &str) -> Result<Value> {
    client.post("/volumes/prune", &Query::new().with_some("filters", filters), None)?.json()
}
