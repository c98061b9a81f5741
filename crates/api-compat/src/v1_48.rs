//! 1.48: image mounts; gateway priorities; `EnableIPv4`; images and containers show descriptors; history, load and save
//! choose a platform; inspect shows manifests. Sysctls of an interface must be given to its endpoint (before: those of
//! `eth0` are moved there).

use serde_json::Value;

use crate::{CompatError, Operation, Step, tools};

const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

pub(crate) const STEP: Step = Step {
    query: |operation, query| match operation {
        Operation::ImageHistory | Operation::ImageGet | Operation::ImageLoad => {
            tools::drop_argument(query, "platform");
        }
        Operation::ImageInspect => tools::drop_argument(query, "manifests"),
        _ => {}
    },
    body: |operation, body, warnings| match operation {
        Operation::ContainerCreate => {
            if tools::mounts(body).any(|m| tools::text(m, "Type") == "image") {
                return Err(CompatError::ImageMount);
            }
            let endpoints = body.get_mut("NetworkingConfig").and_then(|n| tools::child(n, "EndpointsConfig"));
            for (_, endpoint) in endpoints.into_iter().flatten() {
                tools::remove(endpoint, "GwPriority");
            }
            move_sysctls(body, warnings)
        }
        Operation::NetworkCreate => {
            tools::remove(body, "EnableIPv4");
            Ok(())
        }
        _ => Ok(()),
    },
    response: |operation, response| match operation {
        Operation::ContainerList => {
            for container in tools::each(response) {
                tools::remove(container, "ImageManifestDescriptor");
            }
        }
        Operation::ContainerInspect => {
            tools::remove(response, "ImageManifestDescriptor");
        }
        Operation::ImageList => {
            for image in tools::each(response) {
                tools::remove(image, "Descriptor");
            }
        }
        Operation::ImageInspect => {
            tools::remove(response, "Descriptor");
        }
        _ => {}
    },
    ..Step::new(48)
};

/// Moves `net.*.*.eth0.*` to the main network's endpoint as `net.*.*.IFNAME.*`.
fn move_sysctls(body: &mut Value, warnings: &mut Vec<String>) -> Result<(), CompatError> {
    let name = tools::network_name(body);
    if name == "host" || name.starts_with("container:") {
        return Ok(());
    }
    let Some(sysctls) = body.get_mut("HostConfig").and_then(|h| tools::child(h, "Sysctls")) else { return Ok(()) };
    let mut moved = Vec::new();
    let mut settings = Vec::new();
    for (key, value) in sysctls.iter() {
        let parts: Vec<&str> = key.splitn(5, '.').collect();
        let ["net", family, kind, interface, rest] = parts[..] else { continue };
        if !interface.starts_with("eth") {
            continue;
        }
        if interface != "eth0" {
            return Err(CompatError::Sysctl(key.clone()));
        }
        settings.push(format!("net.{family}.{kind}.IFNAME.{rest}={}", value.as_str().unwrap_or("")));
        moved.push(key.clone());
    }
    if moved.is_empty() {
        return Ok(());
    }
    for key in &moved {
        sysctls.shift_remove(key);
    }
    let settings = settings.join(",");
    warnings.push(format!("Migrated sysctl {:?} to DriverOpts{{{SYSCTLS:?}:{settings:?}}}.", moved.join(",")));
    let Some(body) = tools::object(body) else { return Ok(()) };
    let endpoints =
        tools::child_or_new(body, "NetworkingConfig").and_then(|n| tools::child_or_new(n, "EndpointsConfig"));
    let Some(endpoints) = endpoints else { return Ok(()) };
    if !endpoints.is_empty() && !endpoints.contains_key(&name) {
        return Err(CompatError::NetworkIdentity("unable to find a network for sysctl: "));
    }
    let options = tools::child_or_new(endpoints, &name).and_then(|e| tools::child_or_new(e, "DriverOpts"));
    if let Some(options) = options {
        let all = match options.get(SYSCTLS).and_then(Value::as_str) {
            Some(old) => format!("{settings},{old}"),
            None => settings,
        };
        options.insert(SYSCTLS.to_owned(), all.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sysctls_of_the_first_interface_move_to_its_endpoint() {
        let mut body = json!({"HostConfig": {"Sysctls": {"net.ipv6.conf.eth0.forwarding": "1", "kernel.x": "2"}}});
        let mut warnings = Vec::new();
        move_sysctls(&mut body, &mut warnings).expect("fits");
        assert_eq!(body["HostConfig"]["Sysctls"], json!({"kernel.x": "2"}));
        let endpoint = &body["NetworkingConfig"]["EndpointsConfig"]["bridge"];
        assert_eq!(endpoint["DriverOpts"][SYSCTLS], "net.ipv6.conf.IFNAME.forwarding=1");
        assert_eq!(
            warnings,
            [
                r#"Migrated sysctl "net.ipv6.conf.eth0.forwarding" to DriverOpts{"com.docker.network.endpoint.sysctls":"net.ipv6.conf.IFNAME.forwarding=1"}."#
            ]
        );
        let mut other = json!({"HostConfig": {"Sysctls": {"net.ipv6.conf.eth1.forwarding": "1"}}});
        assert!(matches!(move_sysctls(&mut other, &mut warnings), Err(CompatError::Sysctl(_))));
    }
}
