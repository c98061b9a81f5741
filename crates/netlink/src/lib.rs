//! rtnetlink and nfnetlink spoken directly: many operations in one message, errors with their errno.
//!
//! [`route`] is about links, addresses, routes and neighbours, [`nft`] about tables, chains, sets and rules. Both collect
//! operations in a batch value and send it with one system call. A socket belongs to the network namespace that the
//! thread was in which opened it (see `sys::netns`); it may be used from anywhere afterwards.

mod error;
mod mac;
pub mod monitor;
pub mod nft;
pub mod route;
mod socket;
mod wire;

pub use error::Error;
pub use mac::{MacAddr, ParseMacError};
