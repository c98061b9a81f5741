//! The engine: what a Docker daemon does, as services that know neither HTTP nor a terminal.
//!
//! [`Engine::start`] opens the data-root, reconciles it with what lives on the host, and gives the services:
//! [`Containers`], [`Images`], [`Networks`], [`System`], and the event bus. Every container has one owner task
//! (`containers/actor.rs`); reads (`inspect`, `list`) never ask it: they take the view that it published last, so a
//! stuck container cannot hang anybody else.

mod config;
mod containers;
mod engine;
mod error;
mod files;
mod filter;
mod images;
mod networks;
mod pattern;
mod publish;
mod remote;
mod session;
mod shim;
mod system;
mod volumes;

pub use config::{Config, Registry, is_own_runtime};
pub use containers::{
    AttachOptions, ContainerView, Containers, Created, ExecCreate, ExecStart, ExecView, Extract, Links, ListOptions,
    LogOptions, LogStream, MountPoint, NetworkState, PathStat, RemoveOptions, Sample, Top, Traffic, Tree, TreeUse,
    WaitCondition, WaitResult, Waiter,
};
pub use engine::Engine;
pub use error::Error;
pub use images::Images;
pub use networks::Networks;
pub use pattern::NamePatterns;
pub use publish::CommitOptions;
pub use session::Session;
pub use shim_proto::ForeignRuntime;
pub use system::{DiskUsage, Info, System, Version};
pub use volume::NewVolume;
pub use volumes::{VolumeUsage, VolumeView, Volumes};
