//! Unpacked layers and the read-write layers of containers, as overlayfs wants them.

mod error;

pub use error::{Error, Result};
