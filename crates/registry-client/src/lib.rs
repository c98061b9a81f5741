//! A client of image registries (OCI distribution 1.1, Docker registry v2): resolves names, fetches manifests and
//! blobs, pushes both.
//!
//! Nothing here trusts an answer: sizes are budgeted, digests of manifests checked, blobs never longer than their descriptor says;
//! credentials and tokens go to the host they are meant for and nowhere else, whatever a redirect, a challenge's realm or an
//! upload location says. Connections that break are taken up again where they broke.
//!
//! ```no_run
//! # async fn f() -> Result<(), registry_client::Error> {
//! let client = registry_client::Client::new(registry_client::Config::default())?;
//! let name = id::Reference::parse_normalized("localhost:5000/a/b:1").expect("a reference");
//! let repository = client.repository(&name, None);
//! let resolved = repository.resolve().await?;
//! let manifest = repository.manifest(&resolved.descriptor).await?;
//! # Ok(()) }
//! ```

mod auth;
mod blob;
mod client;
mod config;
mod credentials;
mod download;
mod failure;
mod host;
mod hosts;
mod push;
mod repository;
mod request;
mod search;
mod transport;

pub use blob::BlobStream;
pub use client::Client;
pub use config::{Config, Proxies};
pub use credentials::Credentials;
pub use download::Download;
pub use failure::{Error, TransportError};
pub use push::{BlobSource, Mounted, OpenBlob};
pub use repository::{MANIFEST_MAX, Repository, Resolved};
pub use search::Hit;
pub use transport::lookup;
