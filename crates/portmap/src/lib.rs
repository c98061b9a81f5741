//! Host ports: finding free ones, holding them so that nobody else on the host gets them, and (optionally) the
//! userland proxy that serves what the packet filter cannot.

mod bind;
mod error;
mod port_set;
mod protocol;
mod proxy;

pub use bind::HeldPort;
pub use error::Error;
pub use port_set::{Lease, PortSet, Request};
pub use protocol::{Protocol, UnknownProtocol};
