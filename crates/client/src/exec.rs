//! `/exec`.

use serde_json::{Value, json};

use crate::{Client, Hijacked, Query, Result, encode_component};

fn path(id: &str, rest: &str) -> String {
    format!("/exec/{}{rest}", encode_component(id))
}

/// Prepares a process in a container; the answer has `Id`.
pub fn create(client: &Client, container: &str, body: &Value) -> Result<Value> {
    client.post(&format!("/containers/{}/exec", encode_component(container)), &Query::new(), Some(body))?.json()
}

/// Starts it without its streams.
pub fn start_detached(client: &Client, id: &str, tty: bool) -> Result<()> {
    client.post(&path(id, "/start"), &Query::new(), Some(&json!({"Detach": true, "Tty": tty})))?.bytes().map(drop)
}

/// Starts it and gives its streams.
pub fn start(client: &Client, id: &str, body: &Value) -> Result<Hijacked> {
    client.hijack(&path(id, "/start"), &Query::new(), Some(body))
}

/// How it is, and its `ExitCode`.
pub fn inspect(client: &Client, id: &str) -> Result<Value> {
    client.get_json(&path(id, "/json"), &Query::new())
}

/// Sets the size of its terminal.
pub fn resize(client: &Client, id: &str, rows: u16, cols: u16) -> Result<()> {
    let query = Query::new().with("h", &rows.to_string()).with("w", &cols.to_string());
    client.post(&path(id, "/resize"), &query, None)?.bytes().map(drop)
}
