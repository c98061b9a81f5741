use id::Reference;

use crate::{Config, Credentials, Error, Repository};

/// Connections to registries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}

impl Client {
    /// Checks the settings; connects to nobody.
    pub fn new(config: Config) -> Result<Self, Error> {
        let _ = config;
        Ok(Self {})
    }

    /// The repository that `name` lies in, to be reached with `credentials` (which are used only if they are for its registry).
    pub fn repository(&self, name: &Reference, credentials: Option<Credentials>) -> Repository {
        let _ = (name, credentials);
        Repository {}
    }

    /// Logs in at `credentials.server_address` (`docker.io` if empty). Gives an identity token if the registry issued one.
    pub async fn login(&self, credentials: &Credentials) -> Result<Option<String>, Error> {
        let _ = credentials;
        Ok(None)
    }
}
