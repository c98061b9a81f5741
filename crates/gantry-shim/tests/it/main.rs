//! Containers through the real binary, as root, without a daemon.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod control;
mod exec;
mod fixture;
mod leaks;
mod lifecycle;
mod measure;
mod sandbox;
mod streams;
