//! The Engine API over HTTP. [`http`] is the server; the rest are handlers, one small file per group, that know only
//! the newest API version: `api-compat` upgrades what comes in and downgrades what goes out.

pub mod http;
