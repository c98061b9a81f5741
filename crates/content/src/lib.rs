//! The blob store: content addressed, durable, verified.

mod error;

pub use error::{Error, Result};
