//! The engine's event stream: what happened, in order, to every subscriber, with a bounded history.

mod bus;
mod message;

pub use bus::{Bus, Subscription};
pub use message::{Actor, Event, Kind};
