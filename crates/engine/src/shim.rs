//! The daemon's side of the launcher and of the shims, on tokio. The protocol itself is `shim-proto`.

mod client;
mod launcher;

pub(crate) use client::{Posted, ShimClient, ShimEvent, is_not_running};
pub(crate) use launcher::LauncherHandle;
