//! What a user declares about a container: one definition for API bodies, records on disk, and (later) Compose
//! and Swarm. Field names and JSON forms are those of the Docker Engine API, newest version (1.56).
//!
//! `null` and an absent field mean the same on input everywhere; on output each field follows Docker's Go types:
//! slices and maps that Go marshals without `omitempty` are `Option` here, so that `null` stays `null`.

mod config;
mod host;
mod mount;
mod network;

pub use config::{Config, ContainerSpec, CreateBody, HealthConfig};
pub use host::{
    DeviceMapping, DeviceRequest, HostConfig, LogConfig, PortBinding, PortMap, RestartPolicy, ThrottleDevice, Ulimit,
    WeightDevice,
};
pub use mount::{BindOptions, DriverConfig, ImageOptions, MountSpec, MountType, TmpfsOptions, VolumeOptions};
pub use network::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use std::collections::BTreeMap;

/// A JSON object whose keys are a set (`{"80/tcp":{}}`).
pub type KeySet = BTreeMap<String, Empty>;

/// The `{}` of a [`KeySet`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Empty {}

impl<'de> serde::Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(d).map(|_| Self {})
    }
}

/// Reads `null` as the type's default, as Go's decoder leaves a field alone on `null`.
pub(crate) fn nullable<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    use serde::Deserialize;
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// Reads a list of strings, or one string as a list of one (Go's `strslice.StrSlice`).
pub(crate) fn str_slice<'de, D>(d: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    use serde::Deserialize;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<String>),
        One(String),
    }
    Ok(Option::<OneOrMany>::deserialize(d)?.map(|v| match v {
        OneOrMany::Many(v) => v,
        OneOrMany::One(s) => vec![s],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_body_of_the_stock_client_round_trips() {
        let body = r#"{"Hostname":"h","Image":"busybox","Cmd":"true","Env":null,"Volumes":{"/v":{}},"ExposedPorts":{"80/tcp":{}},
            "HostConfig":{"Binds":["/a:/b"],"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
            "Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":5}},{"Type":"odd","Target":"/o"}],"LogConfig":null},
            "NetworkingConfig":{"EndpointsConfig":{"bridge":null}}}"#;
        let spec: ContainerSpec = serde_json::from_str::<CreateBody>(body).expect("parses").into();
        assert_eq!(spec.config.cmd.as_deref(), Some(&["true".to_owned()][..]));
        assert_eq!(spec.host.port_bindings["80/tcp"].as_ref().expect("bound")[0].host_port, "8080");
        let mounts = spec.host.mounts.as_ref().expect("mounts");
        assert_eq!(mounts[0].kind, MountType::Tmpfs);
        assert_eq!(mounts[1].kind, MountType::Other("odd".to_owned()));
        let json = serde_json::to_string(&CreateBody::from(spec.clone())).expect("serializes");
        let again: ContainerSpec = serde_json::from_str::<CreateBody>(&json).expect("parses again").into();
        assert_eq!(spec, again);
    }
}
