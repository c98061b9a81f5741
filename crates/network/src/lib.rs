//! Container networking: networks, sandboxes (network namespaces with their interfaces), published ports, names.
//!
//! [`Service`] is the one door. It talks rtnetlink and nfnetlink itself, runs no helper program, and keeps everything
//! slow (teardown of interfaces and namespaces, refilling the pool of fresh namespaces) off the caller's path.

mod attach;
mod changes;
mod config;
mod error;
mod files;
mod heal;
mod host;
mod inner;
mod names;
mod namespace;
mod networks;
mod options;
mod pool;
mod publishing;
mod reaper;
mod record;
mod resolver;
mod sandbox;
mod sandboxes;
mod service;
mod spec;
mod start;
mod state;
mod view;

pub use config::{AddressPool, Config, FirewallBackend};
pub use error::Error;
pub use sandbox::{BoundPort, EndpointState, Sandbox};
pub use service::Service;
pub use spec::{
    ConnectSpec, DnsSpec, EndpointSpec, IpamPoolSpec, Labels, NetworkSpec, PortSpec, Protocol, SandboxMode, SandboxSpec,
};
pub use view::{EndpointView, NetworkCreated, NetworkRef, NetworkView, PoolView, SubnetStatus};
