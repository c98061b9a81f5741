//! Container networking: networks, sandboxes (network namespaces with their interfaces), published ports, names.
//!
//! [`Service`] is the one door. It talks rtnetlink and nfnetlink itself, runs no helper program, and keeps everything
//! slow (teardown of interfaces and namespaces, refilling the pool of fresh namespaces) off the caller's path.

mod config;
mod error;
mod sandbox;
mod service;
mod spec;
mod view;

pub use config::{AddressPool, Config, FirewallBackend};
pub use error::Error;
pub use sandbox::{BoundPort, EndpointState, Sandbox};
pub use service::Service;
pub use spec::{
    ConnectSpec, DnsSpec, EndpointSpec, IpamPoolSpec, Labels, NetworkSpec, PortSpec, Protocol, SandboxMode, SandboxSpec,
};
pub use view::{EndpointView, NetworkCreated, NetworkRef, NetworkView, PoolView, SubnetStatus};
