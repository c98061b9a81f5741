//! Control groups of containers on hosts with cgroup v1, v2, and both (hybrid).
//!
//! [`Hierarchies::detect`] learns once what the host has; a [`Manager`] is one container's cgroup in all of them.
//! What a set of limits means is computed as a list of steps first (`v1::plan`, `v2::plan`: pure, tested without
//! root), then carried out.
//!
//! Order of calls: [`Manager::create`], [`Manager::apply`], then the process goes in ([`Entry::enter`], born
//! inside through [`Manager::open_for_clone_into`], or moved by [`Manager::add_pid`]); at the end [`Manager::kill`] and [`Manager::delete`].

mod convert;
mod details;
mod devices;
mod entry;
mod error;
mod file;
mod freeze;
mod hierarchy;
mod manager;
mod oom;
mod remove;
mod stats;
mod step;
pub mod systemd;
mod v1;
mod v2;

pub use details::{CpusetStats, Details, MemoryEntry, Pressure, RdmaStats, Stall};
pub use devices::default_rules as default_device_rules;
pub use entry::Entry;
pub use error::{Error, Result};
pub use hierarchy::{Hierarchies, Hierarchy, Mode};
pub use manager::Manager;
pub use oom::OomWatch;
pub use stats::{BlkioEntry, BlkioStats, CpuStats, HugetlbStats, MemoryStats, PidsStats, Stats};
