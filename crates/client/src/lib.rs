//! Docker's HTTP API, from the caller's side: blocking, std only, one kept connection, no runtime. A command line
//! that starts, asks one thing and ends must not pay for more.
//!
//! [`Client`] carries the transport (unix socket, TCP, TLS), the version negotiation and the error texts; the typed
//! calls are grouped by object ([`container`], [`image`], [`network`], [`volume`], [`system`], [`exec`]).

pub mod container;
mod endpoint;
mod error_type;
pub mod exec;
mod http;
pub mod image;
pub mod network;
mod query;
mod resolve;
mod stream;
pub mod system;
mod tls;
mod transport;
pub mod volume;

pub use endpoint::{DEFAULT_HOST, Endpoint, TlsFiles};
pub use error_type::Error;
pub use http::{Body, BodyReader, Headers, Method, Response};
pub use query::{Query, encode_component};
pub use stream::{Hijacked, HijackedReader, HijackedWriter};
pub use transport::{Client, Options, Ping};

/// The newest API version this client speaks.
pub const API_VERSION: &str = "1.56";
/// The oldest API version this client speaks.
pub const MIN_API_VERSION: &str = "1.24";

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
