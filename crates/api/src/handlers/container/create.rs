//! `POST /containers/create`.

use api_types::container::{CreateRequest, CreateResponse};
use hyper::StatusCode;
use spec::{ContainerSpec, MountType, PortBinding};

use crate::handlers::{Request, Result, platform_text};
use crate::http::ApiError;

/// Makes a container from a declaration.
pub(crate) async fn create(mut request: Request) -> Result {
    let body = request.json_with_warnings::<CreateRequest>().await?;
    let Some((body, mut warnings)) = body else {
        return Err(ApiError::bad_request("invalid JSON: got EOF while reading request body"));
    };
    let mut spec = ContainerSpec::from(body);
    check(&spec)?;
    warnings.extend(complete(&mut spec));
    let platform = platform_text(request.form.get("platform"))?;
    let app = &request.state;
    super::super::image::embedded::ensure(app, &spec.config.image).await?;
    let created = app.engine.containers.create(request.form.non_empty("name"), spec, platform).await?;
    warnings.splice(0..0, created.warnings);
    let answer = CreateResponse { id: created.id.to_string(), warnings };
    request.reply(StatusCode::CREATED, &answer)
}

/// Refuses what moby's router refuses.
fn check(spec: &ContainerSpec) -> Result<()> {
    if !spec.config.mac_address.is_empty() {
        return Err(ApiError::bad_request(
            "container-wide MAC address no longer supported; use endpoint-specific MAC address instead",
        ));
    }
    for mount in spec.host.mounts.iter().flatten() {
        let misplaced = [
            ("VolumeOptions", mount.volume_options.is_some(), MountType::Volume),
            ("BindOptions", mount.bind_options.is_some(), MountType::Bind),
            ("TmpfsOptions", mount.tmpfs_options.is_some(), MountType::Tmpfs),
        ];
        for (option, given, kind) in misplaced {
            if given && mount.kind != kind {
                let kind = serde_json::to_value(&mount.kind).unwrap_or_default();
                let text = format!("{option} must not be specified on mount type {kind}");
                return Err(ApiError::bad_request(text));
            }
        }
    }
    Ok(())
}

/// Fills in what moby's router fills in; gives what the user should know.
fn complete(spec: &mut ContainerSpec) -> Vec<String> {
    let mut warnings = Vec::new();
    let host = &mut spec.host;
    if host.network_mode.is_empty() || host.network_mode == "default" {
        host.network_mode = "bridge".to_owned();
        if let Some(endpoint) = spec.networking.endpoints_config.remove("default") {
            spec.networking.endpoints_config.insert("bridge".to_owned(), endpoint);
        }
    }
    let ambiguous = |m: &spec::MountSpec| {
        let driver = m.volume_options.as_ref().and_then(|o| o.driver_config.as_ref());
        m.kind == MountType::Volume && driver.is_none_or(|d| d.name.is_empty())
    };
    if !host.volume_driver.is_empty() && host.mounts.iter().flatten().any(ambiguous) {
        warnings.push(
            "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
             Use '--mount type=volume,volume-driver=...' instead"
                .to_owned(),
        );
    }
    let mut empty = Vec::new();
    for (port, bindings) in &mut host.port_bindings {
        if bindings.as_ref().is_none_or(Vec::is_empty) {
            empty.push(port.clone());
            *bindings = Some(vec![PortBinding::default()]);
        }
    }
    if !empty.is_empty() {
        warnings.push(format!(
            "Following container port(s) have an empty list of port-bindings: {}. Such bindings will be discarded in a \
             future version.",
            empty.join(", ")
        ));
    }
    if host.pids_limit.is_some_and(|n| n <= 0) {
        host.pids_limit = None;
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_is_the_bridge() {
        let mut spec = ContainerSpec::default();
        spec.networking.endpoints_config.insert("default".to_owned(), None);
        assert_eq!(complete(&mut spec), Vec::<String>::new());
        assert_eq!(spec.host.network_mode, "bridge");
        assert!(spec.networking.endpoints_config.contains_key("bridge"));
    }

    #[test]
    fn empty_port_bindings_are_filled_with_a_warning() {
        let mut spec = ContainerSpec::default();
        spec.host.port_bindings.insert("80/tcp".to_owned(), None);
        let warnings = complete(&mut spec);
        assert!(warnings[0].contains("80/tcp"), "{warnings:?}");
        assert_eq!(spec.host.port_bindings["80/tcp"], Some(vec![PortBinding::default()]));
    }
}
