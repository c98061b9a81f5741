//! What the daemon, the launcher and the shims say to each other.
//!
//! * [`Launcher`] starts `gantry-shim --launch` and asks it for shims ([`ShimPlan`] in, a connected [`Conn`] out).
//! * A shim listens on [`ShimPlan::socket`]; a daemon that comes back connects there ([`Conn::connect`]).
//! * On a connection travel [`ToShim`] (a tagged [`Request`]) and [`FromShim`] (a tagged [`Reply`], or an [`Event`]).
//!   Replies come in the order of their requests, events come any time.
//!
//! Invariant: all of this is synchronous and based on descriptors. [`Conn`] can be non-blocking, so that an async
//! daemon wraps it.

mod address;
mod conn;
mod fault;
mod launcher;
mod message;
mod plan;
mod record;

pub use conn::{Conn, ConnError, INLINE_LIMIT, MESSAGE_LIMIT};
pub use fault::{Fault, StartError, Step};
pub use launcher::{FromLauncher, LaunchError, Launcher, ToLauncher};
pub use message::{
    AttachSpec, Event, ExecExit, ExecSpec, ExecState, FromShim, Hello, Reply, Request, State, Status, ToShim, VERSION,
};
pub use plan::{CgroupPlan, ForeignRuntime, LogFile, LogPlan, Rootfs, ShimPlan, Size, StdioPlan};
pub use record::{ExitRecord, RecordError};
