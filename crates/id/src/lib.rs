//! Identifiers that cannot be wrong: parsed once at the rim, then carried as types.

mod digest;
mod object;
mod reference;

pub use digest::{Digest, DigestError};
pub use object::{ContainerId, ExecId, IdError, NetworkId};
pub use reference::{DEFAULT_DOMAIN, DEFAULT_TAG, Reference, ReferenceError};
