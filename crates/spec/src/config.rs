use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HostConfig, KeySet, NetworkingConfig, nullable, str_slice};

/// Everything declared about one container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// What runs inside; an image can carry the same fields as defaults.
    pub config: Config,
    /// What the host gives to it.
    pub host: HostConfig,
    /// The networks that it joins.
    pub networking: NetworkingConfig,
}

/// The body of `POST /containers/create`: [`Config`]'s fields with the two others nested inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateBody {
    /// The outer fields.
    #[serde(flatten)]
    pub config: Config,
    /// The host's side.
    #[serde(rename = "HostConfig", deserialize_with = "nullable")]
    pub host: HostConfig,
    /// The networks' side.
    #[serde(rename = "NetworkingConfig", deserialize_with = "nullable")]
    pub networking: NetworkingConfig,
}

impl From<CreateBody> for ContainerSpec {
    fn from(b: CreateBody) -> Self {
        Self { config: b.config, host: b.host, networking: b.networking }
    }
}

impl From<ContainerSpec> for CreateBody {
    fn from(s: ContainerSpec) -> Self {
        Self { config: s.config, host: s.host, networking: s.networking }
    }
}

/// The portable part of a container's declaration (moby `container.Config`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    #[serde(deserialize_with = "nullable")]
    pub hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub domainname: String,
    /// `user`, `uid`, `user:group`, `uid:gid`.
    #[serde(deserialize_with = "nullable")]
    pub user: String,
    #[serde(deserialize_with = "nullable")]
    pub attach_stdin: bool,
    #[serde(deserialize_with = "nullable")]
    pub attach_stdout: bool,
    #[serde(deserialize_with = "nullable")]
    pub attach_stderr: bool,
    /// Keys as `80/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<KeySet>,
    #[serde(deserialize_with = "nullable")]
    pub tty: bool,
    #[serde(deserialize_with = "nullable")]
    pub open_stdin: bool,
    /// Closes stdin when the first attached client goes.
    #[serde(deserialize_with = "nullable")]
    pub stdin_once: bool,
    /// `KEY=value`; a key without `=` removes the variable.
    pub env: Option<Vec<String>>,
    #[serde(deserialize_with = "str_slice")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "std::ops::Not::not", deserialize_with = "nullable")]
    pub args_escaped: bool,
    /// The image as the user named it.
    #[serde(deserialize_with = "nullable")]
    pub image: String,
    /// Paths of anonymous volumes.
    pub volumes: Option<KeySet>,
    #[serde(deserialize_with = "nullable")]
    pub working_dir: String,
    #[serde(deserialize_with = "str_slice")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not", deserialize_with = "nullable")]
    pub network_disabled: bool,
    /// Only read from old clients (moved to the endpoint in API 1.44).
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub mac_address: String,
    pub on_build: Option<Vec<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub stop_signal: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "str_slice")]
    pub shell: Option<Vec<String>>,
}

/// How the health of a container is probed. Times in nanoseconds; zero means "inherit".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `[]` inherit, `["NONE"]` off, `["CMD", …]`, `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "nullable")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "nullable")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "nullable")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "nullable")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "nullable")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}
