//! The blob store: content addressed, durable, verified.
//!
//! ```text
//! <root>/blobs/<algorithm>/<hex>    whole, verified, on disk
//! <root>/ingest/<algorithm>-<hex>   a download that can be resumed
//! <root>/ingest/new-<n>             content whose digest is not known yet; never resumed
//! ```
//! A name below `blobs` appears only after its bytes are on disk ([`durable`]).

pub mod durable;
mod error;
mod hash;
mod ingest;
mod store;

pub use error::{Error, Result};
pub use hash::Hasher;
pub use ingest::{Ingest, NewBlob};
pub use store::Store;
