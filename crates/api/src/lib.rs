//! The Engine API over HTTP. [`http`] is the server; [`handlers`] answers the requests, one small file per group, and
//! knows only the newest API version: `api-compat` upgrades what comes in and downgrades what goes out.

mod app;
pub mod handlers;
pub mod http;

pub use app::{App, Daemon};
