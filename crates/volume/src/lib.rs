//! Volumes: data that outlives containers.
//!
//! [`Store`] knows every volume by its record and hands work to the [`Driver`] that holds its data. The local driver keeps
//! Docker's layout: `<data-root>/volumes/<name>/_data`. Nothing here counts who uses a volume: the engine knows its
//! containers and is asked when a volume is to go, so that no count can be wrong after a crash. What this crate does keep
//! is a *hold* for each container that is just being made.
//!
//! All calls block; the engine makes them on threads of their own.

mod copy;
mod driver;
mod error;
mod fsmount;
mod local;
mod name;
mod options;
mod record;
mod size;
mod store;

pub use copy::copy_contents;
pub use driver::{Driver, DriverVolume};
pub use error::{Cause, Error};
pub use local::Local;
pub use name::anonymous;
pub use record::{ANONYMOUS_LABEL, NewVolume, VolumeRecord};
pub use size::size_of;
pub use store::{Made, Store};

/// Strings by name, sorted.
pub type Map = std::collections::BTreeMap<String, String>;

/// Name of the driver that is always there.
pub const LOCAL: &str = "local";
