//! The service in a network namespace that plays the host, with a neighbour on a LAN (needs root).
//!
//! Containers are played by threads that enter a sandbox's namespace.

#[path = "host/fixture.rs"]
mod fixture;

#[path = "host/bridge.rs"]
mod bridge;
#[path = "host/ports.rs"]
mod ports;
#[path = "host/speed.rs"]
mod speed;
#[path = "host/survive.rs"]
mod survive;
#[path = "host/user_networks.rs"]
mod user_networks;
