//! The embedded name server of user-defined networks: answers for the network's members, forwards everything else.
//!
//! One [`Server`] per sandbox, on sockets that were opened inside its network namespace ([`Sockets::bind`]). Questions
//! for others go out from the daemon's own namespace, byte for byte, with failover between servers.

mod forward;
mod message;
mod server;

pub use forward::Upstream;
pub use server::{Names, Server, Sockets};
