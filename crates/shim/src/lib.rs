//! The monitor of one container, and the launcher that forks monitors.
//!
//! A shim has one thread and one epoll loop. It owns what must not die with the daemon: pipe ends and terminal masters,
//! the log, exec sessions, the exit status. It is a fork of the launcher, in a session of its own, with nothing of the
//! daemon's left open.
//!
//! * [`launcher`] – `gantry-shim --launch`
//! * [`tiny_init`] – `gantry-shim --init`
//!
//! Inside: `monitor` runs the loop, `session` is one process with its streams (the container's first process or an exec
//! session), `control` the connections of daemons, `client` one attached stream.

mod child_reaper;
mod client;
mod clock;
mod control;
mod foreign;
mod handlers;
pub mod launcher;
mod log;
mod monitor;
mod output;
mod poller;
mod session;
mod stdin;
pub mod tiny_init;
mod token;

/// Version of the protocol that this shim speaks.
pub const PROTOCOL: u32 = shim_proto::VERSION;
