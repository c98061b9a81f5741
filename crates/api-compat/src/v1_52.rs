//! 1.52: a container-wide MAC address is refused; empty lists of port bindings draw a warning; the container list shows
//! health; `NetworkSettings` loses the default bridge's endpoint; images lose empty fields; snapshots are shown as
//! `Storage` (before: as graph drivers); events lose `status`, `id`, `from`; `df` has new fields beside the old ones;
//! a network's inspect shows how full it is; stats tell the operating system.

use serde_json::{Value, json};

use crate::{CompatError, Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation == Operation::DiskUsage {
            tools::drop_argument(query, "verbose");
        }
    },
    body: |operation, body, warnings| match operation {
        Operation::ContainerCreate => mac_address(body, warnings),
        _ => Ok(()),
    },
    response: |operation, response| match operation {
        Operation::ContainerList => {
            for container in tools::each(response) {
                tools::remove(container, "Health");
            }
        }
        Operation::ContainerInspect => container_inspect(response),
        Operation::ContainerStats => {
            tools::remove(response, "os_type");
        }
        Operation::DiskUsage => {
            for key in ["ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"] {
                tools::remove(response, key);
            }
        }
        Operation::Events => event(response),
        Operation::ImageInspect => image_inspect(response),
        Operation::NetworkInspect => {
            tools::remove(response, "Status");
        }
        _ => {}
    },
    ..Step::new(52)
};

/// From 1.44 to 1.51 the container-wide address was still taken, with a warning.
fn mac_address(body: &mut Value, warnings: &mut Vec<String>) -> Result<(), CompatError> {
    let mac = tools::remove(body, "MacAddress").filter(|m| m.as_str().is_some_and(|m| !m.is_empty()));
    let Some(mac) = mac else { return Ok(()) };
    let name = tools::network_name(body);
    if tools::has_interfaces(&name) {
        let endpoints = tools::object(body)
            .and_then(|b| tools::child_or_new(b, "NetworkingConfig"))
            .and_then(|n| tools::child_or_new(n, "EndpointsConfig"));
        let Some(endpoints) = endpoints else { return Ok(()) };
        if !endpoints.is_empty() && !endpoints.contains_key(&name) {
            return Err(CompatError::NetworkIdentity(
                "unable to migrate container-wide MAC address to a specific network: ",
            ));
        }
        let Some(endpoint) = tools::child_or_new(endpoints, &name) else { return Ok(()) };
        match endpoint.get("MacAddress").and_then(Value::as_str).filter(|m| !m.is_empty()) {
            None => {
                endpoint.insert("MacAddress".to_owned(), mac);
            }
            Some(own) if mac.as_str().is_some_and(|m| m.eq_ignore_ascii_case(own)) => {}
            Some(_) => return Err(CompatError::MacMismatch),
        }
    }
    warnings.push(
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
            .to_owned(),
    );
    Ok(())
}

fn container_inspect(container: &mut Value) {
    let snapshotter =
        container.get("Storage").and_then(|s| s.pointer("/RootFS/Snapshot")).map(|s| tools::text(s, "Name").to_owned());
    if let Some(name) = snapshotter
        && container.get("GraphDriver").is_none()
    {
        tools::set(container, "GraphDriver", json!({"Data": null, "Name": name}));
        tools::remove(container, "Storage");
    }
    let Some(settings) = container.get_mut("NetworkSettings").filter(|s| s.is_object()) else { return };
    let bridge = settings.get("Networks").and_then(|n| n.get("bridge")).cloned().unwrap_or(Value::Null);
    let taken = |key: &str, none: Value| bridge.get(key).cloned().unwrap_or(none);
    let more = [
        ("Bridge", json!("")),
        ("HairpinMode", json!(false)),
        ("LinkLocalIPv6Address", json!("")),
        ("LinkLocalIPv6PrefixLen", json!(0)),
        ("SecondaryIPAddresses", Value::Null),
        ("SecondaryIPv6Addresses", Value::Null),
        ("EndpointID", taken("EndpointID", json!(""))),
        ("Gateway", taken("Gateway", json!(""))),
        ("GlobalIPv6Address", taken("GlobalIPv6Address", json!(""))),
        ("GlobalIPv6PrefixLen", taken("GlobalIPv6PrefixLen", json!(0))),
        ("IPAddress", taken("IPAddress", json!(""))),
        ("IPPrefixLen", taken("IPPrefixLen", json!(0))),
        ("IPv6Gateway", taken("IPv6Gateway", json!(""))),
        ("MacAddress", taken("MacAddress", json!(""))),
    ];
    for (key, value) in more {
        tools::set(settings, key, value);
    }
}

fn image_inspect(image: &mut Value) {
    for key in ["Parent", "Comment", "DockerVersion", "Author"] {
        tools::set_default(image, key, "");
    }
    let Some(config) = image.get_mut("Config").filter(|c| c.is_object()) else { return };
    for key in ["User", "WorkingDir"] {
        tools::set_default(config, key, "");
    }
    for key in ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"] {
        tools::set_default(config, key, Value::Null);
    }
}

fn event(event: &mut Value) {
    let kind = tools::text(event, "Type").to_owned();
    if kind != "container" && kind != "image" {
        return;
    }
    let action = tools::text(event, "Action").to_owned();
    let id = event.get("Actor").map_or("", |a| tools::text(a, "ID")).to_owned();
    let image = event.pointer("/Actor/Attributes/image").and_then(Value::as_str).unwrap_or("").to_owned();
    tools::set(event, "status", action);
    tools::set(event, "id", id);
    if kind == "container" {
        tools::set(event, "from", image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_wide_address_is_moved_with_a_warning() {
        let mut warnings = Vec::new();
        let mut body = json!({"MacAddress": "02:00:00:00:00:01", "HostConfig": {"NetworkMode": "n"}});
        mac_address(&mut body, &mut warnings).expect("fits");
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["n"]["MacAddress"], "02:00:00:00:00:01");
        assert_eq!(warnings.len(), 1);
        let mut body = json!({
            "MacAddress": "02:00:00:00:00:01",
            "NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "02:00:00:00:00:02"}}},
        });
        assert_eq!(mac_address(&mut body, &mut warnings), Err(CompatError::MacMismatch));
    }

    #[test]
    fn the_bridges_endpoint_is_shown_twice() {
        let mut body = json!({
            "Storage": {"RootFS": {"Snapshot": {"Name": "overlayfs"}}},
            "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2", "IPPrefixLen": 16}}},
        });
        container_inspect(&mut body);
        assert_eq!(body["GraphDriver"]["Name"], "overlayfs");
        assert!(body.get("Storage").is_none());
        assert_eq!(body["NetworkSettings"]["IPAddress"], "172.17.0.2");
        assert_eq!(body["NetworkSettings"]["IPPrefixLen"], 16);
        assert_eq!(body["NetworkSettings"]["MacAddress"], "");
    }

    #[test]
    fn events_have_their_old_fields() {
        let mut e = json!({"Type": "container", "Action": "die", "Actor": {"ID": "a", "Attributes": {"image": "i"}}});
        event(&mut e);
        assert_eq!((&e["status"], &e["id"], &e["from"]), (&json!("die"), &json!("a"), &json!("i")));
    }
}
