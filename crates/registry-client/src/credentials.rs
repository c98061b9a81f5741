use std::fmt;

use serde::Deserialize;

/// What `X-Registry-Auth` carries. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password, or a token used as one.
    pub password: String,
    /// A refresh token from an earlier login; replaces name and password.
    #[serde(rename = "identitytoken")]
    pub identity_token: String,
    /// A bearer token sent as it is; replaces all others.
    #[serde(rename = "registrytoken")]
    pub registry_token: String,
    /// Which registry they are for: host or URL; empty: the one of the image's name.
    #[serde(rename = "serveraddress")]
    pub server_address: String,
}

impl Credentials {
    /// Whether there is nothing to log in with.
    pub fn is_empty(&self) -> bool {
        [&self.username, &self.password, &self.identity_token, &self.registry_token].iter().all(|s| s.is_empty())
    }

    /// The host that these are for, given the domain of the image's name (`docker.io` becomes the Hub's registry).
    pub(crate) fn host(&self, domain: &str) -> String {
        let address = self.server_address.trim();
        let host = address.split_once("://").map_or(address, |(_, rest)| rest).split('/').next().unwrap_or("");
        match if host.is_empty() { domain } else { host } {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => "registry-1.docker.io".to_owned(),
            host => host.to_ascii_lowercase(),
        }
    }

    /// The user name and the secret that a token or basic login uses (an identity token has no user name).
    pub(crate) fn pair(&self) -> Option<(&str, &str)> {
        if !self.identity_token.is_empty() {
            return Some(("", &self.identity_token));
        }
        (!self.username.is_empty() && !self.password.is_empty()).then_some((&self.username, &self.password))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}
