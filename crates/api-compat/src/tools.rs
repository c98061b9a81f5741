//! Small tools to take JSON documents apart.

use serde_json::{Map, Value};

use crate::Query;

pub(crate) fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    value.as_object_mut()
}

/// The object under `key`, if there is one.
pub(crate) fn child<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(key)?.as_object_mut()
}

/// The object under `key`, made if it is not there or `null`.
pub(crate) fn child_or_new<'a>(value: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let child = value.entry(key).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    child.as_object_mut()
}

/// The members of a list.
pub(crate) fn each(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().map(|a| a.iter_mut()).into_iter().flatten()
}

/// Takes a member out.
pub(crate) fn remove(value: &mut Value, key: &str) -> Option<Value> {
    value.as_object_mut()?.shift_remove(key)
}

/// Puts a member in.
pub(crate) fn set(value: &mut Value, key: &str, member: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), member.into());
    }
}

/// Puts a member in if it is not there.
pub(crate) fn set_default(value: &mut Value, key: &str, member: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.entry(key).or_insert_with(|| member.into());
    }
}

/// The mounts of a container's creation.
pub(crate) fn mounts(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    body.get_mut("HostConfig").and_then(|h| h.get_mut("Mounts")).map(each).into_iter().flatten()
}

/// Text of a member, empty if it is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Takes all arguments of this name out.
pub(crate) fn drop_argument(query: &mut Query, name: &str) {
    query.retain(|(k, _)| k != name);
}

/// The network that a container's mode names: `bridge` unless it says otherwise.
pub(crate) fn network_name(body: &Value) -> String {
    match body.get("HostConfig").map_or("", |h| text(h, "NetworkMode")) {
        "" | "default" => "bridge".to_owned(),
        mode => mode.to_owned(),
    }
}

/// Whether the mode gives the container a network stack of its own with an interface in it.
pub(crate) fn has_interfaces(mode: &str) -> bool {
    !matches!(mode, "host" | "none") && !mode.starts_with("container:")
}
