//! Images: names, manifests, layers, and everything a client does with them.
//!
//! One [`Store`] holds the content store (`<data-root>/content`), the layer snapshots (`<data-root>/snapshots`)
//! and the records (in the metadata store). An image's id is the digest of its *target descriptor* (an index or a
//! manifest), as with Docker's containerd image store.
//!
//! Order of every change: content durable → snapshot published → record committed; so a record never points at
//! something that a power loss can take away.

mod archives;
mod attestation;
mod changes;
mod check;
mod commit;
mod distribution;
mod document;
mod error;
mod filter;
mod glob;
mod import;
mod incoming;
mod load;
mod names;
mod pipe;
mod platform;
mod progress;
mod pull;
mod push;
mod query;
mod record;
mod remove;
mod rootfs;
mod save;
mod store;
mod sweep;
mod types;
mod unpack;
mod view;
mod walk;

pub use archives::Archives;
pub use attestation::{Attestation, AttestationQuery};
pub use changes::apply_changes;
pub use check::{CheckReport, Fault, FaultKind, Repair, check};
pub use commit::Commit;
pub use distribution::{Distribution, distribution};
pub use error::{Error, Result};
pub use filter::{LabelCheck, ListFilter};
pub use progress::{Action, Progress, ProgressSink, null_sink};
pub use rootfs::Rootfs;
pub use snapshot::{Change, ChangeKind};
pub use store::Store;
pub use types::{
    Import, InUse, Load, Loaded, NoneInUse, Pull, Pulled, Push, Pushed, RemoveOptions, RootfsMount, Save, StoreConfig,
    Use,
};
pub use view::{
    DiskUsage, HistoryItem, ImageHandle, ImageSummary, ImageView, ManifestKind, ManifestSummary, PruneReport, Removed,
};
