//! Host ports: finding free ones, holding them so that nobody else on the host gets them, and (optionally) the
//! userland proxy that serves what the packet filter cannot.

mod error;
mod protocol;

pub use error::Error;
pub use protocol::{Protocol, UnknownProtocol};
