//! The packet filter: a pure plan of rules ([`plan()`]), and one small [`Executor`] that puts it into the kernel.
//!
//! One table of the `inet` family per daemon. Rules speak of networks (bridges, subnets), never of single containers;
//! published ports are elements of maps. So a container without published ports changes nothing here, and one with ports
//! adds a few elements in one transaction.
//!
//! The chain [`USER_CHAIN`] is evaluated before our own forward rules; we make it, and never touch what is in it.

mod desired;
mod error;
mod executor;
mod names;
mod plan;
mod publish;
mod rule;
mod ruleset;

pub use desired::{Desired, GatewayMode, Network, Publish};
pub use error::Error;
pub use executor::Executor;
pub use names::{USER_CHAIN, table_name};
pub use plan::plan;
pub use publish::publish_elements;
pub use rule::Rule;
pub use ruleset::{Chain, Ruleset};
