//! What every test of a whole engine leans on.
//!
//! * [`machine`]: a machine in namespaces (processes, network, mounts, cgroups, host name) with its own
//!   `/run`, which can be rebooted and never touches the host's bridges, rules, mounts or cgroups.
//! * [`engine`]: an engine in such a machine: ours, or Debian's real `dockerd` (`UNDER_TEST=docker`).
//! * [`cli`]: the command lines that drive it: stock `docker` 28 and 20.10, and ours.
//! * [`http`]: the API below any client library, byte for byte.
//! * [`pty`]: a command on a terminal, with keys, window sizes and expected screens.
//! * [`leftovers`] and [`invariants`]: what must be true after any test.
//! * [`faults`]: power loss, death at the n-th system call, full disks, exhausted descriptors.
//! * [`neighbour`]: other hosts on the machine's network.
//! * [`swagger`]: answers checked against the API description.
//! * [`registry`] and [`images`]: a registry on loopback, also a faulty one, and tiny images made in process.

pub mod certs;
pub mod cli;
pub mod engine;
pub mod faults;
pub mod http;
pub mod images;
pub mod invariants;
pub mod leftovers;
pub mod machine;
pub mod mutate;
pub mod neighbour;
pub mod output;
pub mod place;
pub mod pty;
pub mod registry;
pub mod swagger;

pub use cli::{Cli, CliKind};
pub use engine::{Engine, EngineKind, EngineOptions};
pub use machine::Machine;
pub use output::Output;
