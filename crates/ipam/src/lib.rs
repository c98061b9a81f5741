//! Address management without memory of its own: what is free follows from what is used, which the caller knows from its
//! records. Pure.

mod address;
mod error;
mod pool;

pub use address::{Range, mac_for};
pub use error::Error;
pub use pool::{Pool, default_pools, next_subnet4, next_subnet6, overlaps};
