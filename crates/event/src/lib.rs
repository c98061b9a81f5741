//! The engine's event stream: what happened, in order, to every subscriber, with a bounded history that
//! outlives the daemon.

mod bus;
mod journal;
mod message;

pub use bus::{Bus, Subscription};
pub use message::{Actor, Event, Kind};
