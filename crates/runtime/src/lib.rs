//! Makes containers out of OCI specs, and runs processes in them.
//!
//! Synchronous, and only for a process with one thread: a container's first process is a copy of its shim until it
//! becomes the user's program. Order of a start:
//!
//! 1. [`create`] opens everything that comes from the host (layers, binds, namespaces) as detached mounts and
//!    descriptors, and clones the child.
//! 2. While the child (module `child`) makes its namespaces, the shim makes the cgroups with their limits. The child
//!    enters them by itself, then mounts, pivots, hides, drops what it may not keep, and looks the program up; meanwhile
//!    the shim compiles its system call filter and hands that over by a pipe.
//! 3. [`Starting`] tells when the program runs, or why it does not, in runc's words.
//!
//! Invariant: mounts of a container exist in its own mount namespace only. Nothing has to be unmounted.
//! Invariant: paths inside a container are resolved inside its root (`fsroot`), by descriptor, once.

mod caps;
mod channel;
mod child;
mod cleanup;
mod create;
mod exec;
mod failure;
mod features;
mod filter;
mod foreign;
mod hooks;
mod limits;
mod listener;
mod manner;
mod mapping;
mod namespaces;
mod net_devices;
mod options;
pub mod rdt;
mod source;
mod starting;
mod stdio;
mod validate;

pub use cleanup::{CleanupError, cleanup};
pub use create::{Create, create};
pub use exec::{Exec, exec, namespaces_to_join};
pub use failure::words as errno_words;
pub use features::{MEMORY_FLAGS, MEMORY_MODES, capability_names, mount_options};
pub use filter::Filter;
pub use hooks::{create_runtime, poststart, poststop};
pub use manner::{Hold, Manner};
pub use mapping::enter_user_namespace;
pub use rdt::forget;
pub use source::mount_rootfs;
pub use starting::{Held, Started, Starting};
pub use stdio::Stdio;
