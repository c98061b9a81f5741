use std::sync::Arc;

use hyper::Method;
use id::{DEFAULT_DOMAIN, Reference};

use crate::auth::Auth;
use crate::host::{Endpoint, Trust};
use crate::repository::Inner;
use crate::request::{Call, Last};
use crate::transport::Transport;
use crate::{Config, Credentials, Error, Repository};

/// Connections to registries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What all repositories of a client have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) trust: Arc<Trust>,
    pub(crate) transport: Transport,
}

impl Client {
    /// Checks the settings; connects to nobody.
    ///
    /// # Errors
    /// [`Error::Config`]: a mirror, proxy or user agent that is none.
    pub fn new(config: Config) -> Result<Self, Error> {
        let trust = Arc::new(Trust::new(&config.insecure));
        for url in &config.mirrors {
            Endpoint::mirror(url, &trust)?;
        }
        let transport = Transport::new(&config, trust.clone())?;
        Ok(Self { shared: Arc::new(Shared { config, trust, transport }) })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The repository that `name` lies in, to be reached with `credentials` (which are used only if they are for its registry).
    pub fn repository(&self, name: &Reference, credentials: Option<Credentials>) -> Repository {
        let reference = name.clone().or_latest();
        // A file that cannot be read means nobody is asked; each question tells why.
        let (endpoints, invalid) = match Endpoint::all(name, &self.shared.config, &self.shared.trust) {
            Ok(endpoints) => (endpoints, None),
            Err(e) => (Vec::new(), Some(e.to_string())),
        };
        let auth = Auth::new(credentials, name.domain(), reference.to_string());
        Repository::new(Inner { client: self.shared.clone(), reference, endpoints, invalid, auth })
    }

    /// Logs in at `credentials.server_address` (Docker Hub if empty). Gives an identity token if the registry issued one.
    ///
    /// # Errors
    /// [`Error::LoginRefused`] and whatever keeps the registry from answering.
    pub async fn login(&self, credentials: &Credentials) -> Result<Option<String>, Error> {
        let host = credentials.host(DEFAULT_DOMAIN);
        let endpoint = Endpoint::registry(&host, &self.shared.trust);
        let auth = Auth::new(Some(credentials.clone()), &host, host.clone());
        let call = Call::new(Method::GET, "/v2/").accept("*/*");
        let answer = crate::request::call(&self.shared, &auth, &endpoint, &call, Last::Yes).await;
        match answer {
            Ok(answer) if answer.response.status().is_success() => Ok(auth.refresh_token().await),
            Ok(answer) if answer.response.status().as_u16() == 401 => Err(Error::LoginRefused { url: answer.url }),
            Ok(answer) => Err(answer.into_error().await),
            Err(Error::NoBasicAuth { .. } | Error::AccessDenied { .. }) => {
                Err(Error::LoginRefused { url: format!("https://{host}/v2/") })
            }
            Err(Error::Token { source, .. }) if matches!(&*source, Error::Status { code: 401, .. }) => {
                Err(Error::LoginRefused { url: format!("https://{host}/v2/") })
            }
            Err(e) => Err(e),
        }
    }
}
