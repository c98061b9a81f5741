//! The HTTP side without any knowledge of the engine: listeners, connections, routing, hijacking, bodies, errors.

mod accept;
mod body;
mod conn;
mod defence;
mod error;
mod form;
mod h2c;
mod head;
mod hijack;
mod intake;
mod listen;
mod middleware;
mod request;
mod respond;
mod router;
mod server;
mod spare;
mod stream;
mod tls;
mod transport;
mod websocket;

#[cfg(test)]
mod tests;

pub use body::{BlockingReader, BlockingSender, Body, BodyReader, BodySender, BodyWriter};
pub use error::{ApiError, status_of};
pub use form::{Form, FormError};
pub(crate) use h2c::{switching as switching_to_h2, wanted as wants_h2};
pub use hijack::Hijacked;
pub use listen::{BindError, Inherited, Listener, Origin, listen};
pub use middleware::{Layer, Next};
pub use request::{BoxFuture, Peer, Request};
pub use respond::{Response, empty, text};
pub use router::{Route, Router};
pub use server::{Identity, Limits, Server};
pub use stream::JsonLines;
pub use tls::{TlsError, TlsFiles, server_config};
pub(crate) use websocket::carry as carry_websocket;
pub use websocket::{Handshake, Payload};
