//! Unpacked layers and the read-write layers of containers, as overlayfs wants them.
//!
//! ```text
//! <root>/staging/<n>/{fs,layer}        a layer being unpacked (swept at open)
//! <root>/layers/<key>/{fs,layer}       a layer, whole and on disk; `layer` says how large it is
//! <root>/rw/<name>/{upper,work,lower}  a container's own layer; `lower` names what lies below, lowest first
//! <root>/trash/<n>                     removed, being deleted in the background
//! ```
//! Layers are independent of each other: overlayfs stacks them, so each is unpacked without its parents, in any
//! order. Nothing is mounted by this crate.

mod changes;
mod error;
mod info;
mod rw;
mod stage;
mod store;
mod trash;
mod usage;

pub use changes::{Change, ChangeKind};
pub use error::{Error, Result};
pub use info::LayerInfo;
pub use rw::Mount;
pub use stage::Staged;
pub use store::Store;
