//! What runs in a new process between clone and exec.
//!
//! Everything here runs as a copy of the shim, on its way into the container: it reports a failure over the channel
//! and ends, or becomes the user's program. It never returns.

pub(crate) mod console;
pub(crate) mod copy_up;
pub(crate) mod devices;
pub(crate) mod finish;
pub(crate) mod hide;
pub(crate) mod identity;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod kernel;
pub(crate) mod mounts;
pub(crate) mod program;
