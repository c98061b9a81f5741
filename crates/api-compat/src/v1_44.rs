//! 1.44: MAC addresses belong to endpoints; a container can be created with several networks; health checks have
//! `StartInterval`; read-only bind mounts are so recursively. `VirtualSize` is gone from images; runtimes have a
//! `status`; an image that does not know its age has no `Created`.

use serde_json::Value;

use crate::{CompatError, Operation, Step, Version, tools};

pub(crate) const STEP: Step = Step {
    body: |operation, body, _| match operation {
        Operation::ContainerCreate => container_create(body),
        Operation::NetworkConnect => {
            // Older versions ignored it.
            if let Some(endpoint) = tools::child(body, "EndpointConfig") {
                endpoint.shift_remove("MacAddress");
            }
            Ok(())
        }
        _ => Ok(()),
    },
    response: |operation, response| match operation {
        Operation::ImageList => tools::each(response).for_each(virtual_size),
        Operation::ImageInspect => {
            virtual_size(response);
            tools::set_default(response, "Created", "0001-01-01T00:00:00Z");
        }
        Operation::DiskUsage => {
            if let Some(images) = response.get_mut("Images") {
                tools::each(images).for_each(virtual_size);
            }
        }
        Operation::Info => {
            if let Some(runtimes) = tools::child(response, "Runtimes") {
                for (_, runtime) in runtimes {
                    tools::remove(runtime, "status");
                }
            }
        }
        _ => {}
    },
    ..Step::new(44)
};

fn virtual_size(image: &mut Value) {
    if let Some(size) = image.get("Size").cloned() {
        tools::set(image, "VirtualSize", size);
    }
}

fn container_create(body: &mut Value) -> Result<(), CompatError> {
    if let Some(check) = tools::child(body, "Healthcheck") {
        check.shift_remove("StartInterval");
    }
    for mount in tools::mounts(body) {
        if tools::text(mount, "Type") != "bind" {
            continue;
        }
        let Some(mount) = tools::object(mount) else { continue };
        let Some(bind) = tools::child_or_new(mount, "BindOptions") else { continue };
        if bind.get("ReadOnlyForceRecursive").and_then(Value::as_bool) == Some(true) {
            return Err(CompatError::Needs { what: "BindOptions.ReadOnlyForceRecursive", since: Version::new(1, 44) });
        }
        bind.insert("ReadOnlyNonRecursive".to_owned(), true.into());
    }
    let endpoints = body.get("NetworkingConfig").and_then(|n| n.get("EndpointsConfig")).and_then(Value::as_object);
    if let Some(endpoints) = endpoints
        && endpoints.len() > 1
    {
        let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        return Err(CompatError::Endpoints(names.join(", ")));
    }
    mac_address(body)
}

/// The container-wide address goes to the only endpoint there can be; an endpoint's own was ignored.
fn mac_address(body: &mut Value) -> Result<(), CompatError> {
    let mac = tools::remove(body, "MacAddress").filter(|m| m.as_str().is_some_and(|m| !m.is_empty()));
    let mode = tools::network_name(body);
    if mac.is_some() && !tools::has_interfaces(&mode) {
        return Err(CompatError::MacMode);
    }
    let Some(body) = tools::object(body) else { return Ok(()) };
    if mac.is_none() && body.get("NetworkingConfig").is_none_or(Value::is_null) {
        return Ok(());
    }
    let Some(networking) = tools::child_or_new(body, "NetworkingConfig") else { return Ok(()) };
    let Some(endpoints) = tools::child_or_new(networking, "EndpointsConfig") else { return Ok(()) };
    if let Some(mac) = mac {
        let name = endpoints.keys().next().cloned().unwrap_or(mode);
        if let Some(endpoint) = tools::child_or_new(endpoints, &name) {
            endpoint.insert("MacAddress".to_owned(), mac);
        }
        return Ok(());
    }
    for (_, endpoint) in endpoints {
        tools::remove(endpoint, "MacAddress");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create(body: &Value) -> Result<Value, CompatError> {
        let mut body = body.clone();
        container_create(&mut body).map(|()| body)
    }

    #[test]
    fn a_containers_mac_address_goes_to_its_endpoint() {
        let got = create(&json!({"MacAddress": "02:00:00:00:00:01"})).expect("fits");
        let want = json!({"NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "02:00:00:00:00:01"}}}});
        assert_eq!(got, want);
        let got = create(&json!({
            "MacAddress": "02:00:00:00:00:01",
            "HostConfig": {"NetworkMode": "mynet"},
            "NetworkingConfig": {"EndpointsConfig": {"other": null}},
        }))
        .expect("fits");
        assert_eq!(got["NetworkingConfig"]["EndpointsConfig"]["other"]["MacAddress"], "02:00:00:00:00:01");
        let e = create(&json!({"MacAddress": "02:00:00:00:00:01", "HostConfig": {"NetworkMode": "host"}}));
        assert_eq!(e, Err(CompatError::MacMode));
    }

    #[test]
    fn an_endpoints_mac_address_did_not_count() {
        let got = create(&json!({"NetworkingConfig": {"EndpointsConfig": {"a": {"MacAddress": "x", "Links": null}}}}));
        assert_eq!(got.expect("fits")["NetworkingConfig"]["EndpointsConfig"]["a"], json!({"Links": null}));
    }

    #[test]
    fn two_networks_are_one_too_many() {
        let e = create(&json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}})).expect_err("two");
        assert_eq!(e.to_string(), "Container cannot be created with multiple network endpoints: a, b");
    }
}
