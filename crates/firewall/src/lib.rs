//! The packet filter: a pure plan of rules, and one small executor that puts it into the kernel.

mod error;

pub use error::Error;
