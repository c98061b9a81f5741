//! Address management without memory of its own: what is free follows from the records of what is used.

mod error;

pub use error::Error;
