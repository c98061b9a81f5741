//! 1.45: volume mounts have a `Subpath`; an endpoint's `Aliases` are what the user gave (before: the short id too);
//! images have lost `Container` and `ContainerConfig`.

use serde_json::{Value, json};

use crate::{CompatError, Operation, Step, Version, tools};

pub(crate) const STEP: Step = Step {
    body: |operation, body, _| {
        if operation == Operation::ContainerCreate {
            for mount in tools::mounts(body) {
                let subpath = mount.get("VolumeOptions").map_or("", |o| tools::text(o, "Subpath"));
                if !subpath.is_empty() {
                    return Err(CompatError::Needs { what: "VolumeOptions.Subpath", since: Version::new(1, 45) });
                }
            }
        }
        Ok(())
    },
    response: |operation, response| match operation {
        Operation::ContainerInspect => aliases(response),
        Operation::ImageInspect => {
            tools::set_default(response, "Container", "");
            tools::set_default(response, "ContainerConfig", Value::Null);
        }
        _ => {}
    },
    ..Step::new(45)
};

fn aliases(container: &mut Value) {
    let id = tools::text(container, "Id");
    let short = id.get(..12).unwrap_or(id).to_owned();
    let hostname = container.get("Config").map_or("", |c| tools::text(c, "Hostname")).to_owned();
    let networks = container.get_mut("NetworkSettings").and_then(|n| tools::child(n, "Networks"));
    for (name, endpoint) in networks.into_iter().flatten() {
        if matches!(name.as_str(), "bridge" | "host" | "none" | "default") || !endpoint.is_object() {
            continue;
        }
        let mut all = endpoint.get("Aliases").and_then(Value::as_array).cloned().unwrap_or_default();
        for more in [&short, &hostname] {
            if !all.iter().any(|a| a == more.as_str()) {
                all.push(json!(more));
            }
        }
        tools::set(endpoint, "Aliases", all);
    }
}
