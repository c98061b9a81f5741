//! `--use-api-socket`: the container may drive the engine, with the user's logins.

use std::io;

use archive::{Entry, Kind, Writer};
use client::{Client, Query};
use serde_json::{Map, Value, json};

use crate::config::{Config, Credentials};
use crate::failure::{Failure, Result};

const SOCKET: &str = "/var/run/docker.sock";
const CONFIG_DIR: &str = "/run/secrets/docker";

/// Adds the socket to a container's body, and the logins unless it brings a `DOCKER_CONFIG` of its own. Gives what
/// [`place`] puts into the container once it is there.
pub(super) fn prepare(body: &mut Value, config: &Config) -> Result<Option<Value>> {
    let mounts = &mut body["HostConfig"]["Mounts"];
    if !mounts.is_array() {
        *mounts = json!([]);
    }
    if let Some(list) = mounts.as_array_mut() {
        list.push(json!({"Type": "bind", "Source": SOCKET, "Target": SOCKET, "BindOptions": {}}));
    }
    let variables = &mut body["Env"];
    let own = |v: &Value| v.as_str().is_some_and(|v| v.starts_with("DOCKER_CONFIG="));
    if variables.as_array().is_some_and(|list| list.iter().any(own)) {
        return Ok(None);
    }
    let all = config.all_credentials().map_err(|f| f.context("resolving credentials failed"))?;
    if !variables.is_array() {
        *variables = json!([]);
    }
    if let Some(list) = variables.as_array_mut() {
        list.push(format!("DOCKER_CONFIG={CONFIG_DIR}").into());
    }
    Ok((!all.is_empty()).then(|| document(&all)))
}

/// A client configuration that holds nothing but logins.
fn document(all: &[Credentials]) -> Value {
    let auths: Map<String, Value> = all.iter().map(|c| (c.server.clone(), c.entry())).collect();
    json!({ "auths": auths })
}

/// Writes the logins into a container that was made with [`prepare`].
pub(super) fn place(client: &Client, id: &str, document: &Value) -> Result<()> {
    let mut text = crate::config::pretty(document, "\t");
    text.push('\n');
    let mut tar = Vec::new();
    let mut writer = Writer::new(&mut tar);
    let fail = |e: archive::Error| Failure::new(format!("copying {CONFIG_DIR}/config.json into container failed: {e}"));
    let mut entry = Entry::new(format!("{}/config.json", CONFIG_DIR.trim_start_matches('/')), Kind::Regular, 0o600);
    entry.size = text.len() as u64;
    writer.entry(&entry, text.as_bytes()).map_err(fail)?;
    writer.finish().map_err(fail)?;
    Ok(client::container::archive_put(client, id, &Query::new().with("path", "/"), &mut io::Cursor::new(tar))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(values: Value) -> Config {
        Config { dir: "/nonexistent".into(), values: values.as_object().cloned().unwrap_or_default() }
    }

    #[test]
    fn socket_and_logins_are_added() {
        let config = config(json!({"auths": {"r.example": {"auth": "dTpw"}}}));
        let mut body = json!({"Env": null, "HostConfig": {}});
        let document = prepare(&mut body, &config).unwrap().unwrap();
        assert_eq!(body["HostConfig"]["Mounts"][0]["Target"], "/var/run/docker.sock");
        assert_eq!(body["Env"], json!(["DOCKER_CONFIG=/run/secrets/docker"]));
        assert_eq!(document, json!({"auths": {"r.example": {"auth": "dTpw"}}}));
    }

    #[test]
    fn own_configuration_is_left_alone() {
        let config = config(json!({"auths": {"r.example": {"auth": "dTpw"}}}));
        let mut body = json!({"Env": ["DOCKER_CONFIG=/x"], "HostConfig": {"Mounts": [{"Type": "tmpfs"}]}});
        assert!(prepare(&mut body, &config).unwrap().is_none());
        assert_eq!(body["Env"], json!(["DOCKER_CONFIG=/x"]));
        assert_eq!(body["HostConfig"]["Mounts"].as_array().unwrap().len(), 2);
    }
}
