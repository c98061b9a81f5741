//! rtnetlink and nfnetlink spoken directly: many operations in one message, errors with their errno.

mod error;
mod mac;

pub use error::Error;
pub use mac::{MacAddr, ParseMacError};
