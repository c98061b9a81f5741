//! `/auth`, `/images/search`, `/distribution/{name}/json`, and the `X-Registry-Auth` header.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::null_default;

/// Credentials of a registry: body of `POST /auth`, content of `X-Registry-Auth` (base64url JSON).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// Account name.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub username: String,
    /// Password or access token.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub password: String,
    /// Base64 of `username:password` (as `config.json` keeps it).
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub auth: String,
    /// The registry these are for.
    #[serde(rename = "serveraddress", skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub server_address: String,
    /// OAuth2 refresh token, instead of a password.
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub identity_token: String,
    /// Bearer token to send as it is.
    #[serde(rename = "registrytoken", skip_serializing_if = "String::is_empty", deserialize_with = "null_default")]
    pub registry_token: String,
}

/// Shows which registry and account, never a secret.
impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthResponse {
    /// Token to keep instead of the password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identity_token: String,
    /// `Login Succeeded`.
    pub status: String,
}

/// The registry part of `GET /info`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceConfig {
    /// Networks whose registries may be spoken to without TLS verification.
    #[serde(rename = "InsecureRegistryCIDRs", deserialize_with = "null_default")]
    pub insecure_registry_cidrs: Vec<String>,
    /// Known registries.
    #[serde(rename = "IndexConfigs", deserialize_with = "null_default")]
    pub index_configs: Map<IndexInfo>,
    /// Mirrors of Docker Hub; `null` when there are none.
    #[serde(rename = "Mirrors")]
    pub mirrors: Option<Vec<String>>,
}

/// One registry of [`ServiceConfig`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IndexInfo {
    /// Its name, `docker.io`.
    pub name: String,
    /// Its mirrors.
    #[serde(deserialize_with = "null_default")]
    pub mirrors: Vec<String>,
    /// TLS is required and verified.
    pub secure: bool,
    /// It is Docker Hub.
    pub official: bool,
}

/// Answer of `GET /distribution/{name}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DistributionInspect {
    /// What the registry has under the name.
    pub descriptor: oci::image::Descriptor,
    /// The platforms it is there for.
    #[serde(deserialize_with = "null_default")]
    pub platforms: Vec<oci::image::Platform>,
}

/// One hit of `GET /images/search`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    /// Stars.
    pub star_count: i64,
    /// A Docker official image.
    pub is_official: bool,
    /// Repository.
    pub name: String,
    /// Always false (deprecated).
    pub is_automated: bool,
    /// First line of the description.
    pub description: String,
}
