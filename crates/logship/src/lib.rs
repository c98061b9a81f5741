//! Log drivers that send a container's log elsewhere: syslog, gelf, fluentd, journald.
//!
//! Nothing of this runs in a shim. The shim writes the container's output to files of a bounded size, whatever the driver is;
//! the daemon reads them and sends them on ([`Shipper`]), and keeps the place up to which everything has arrived in a file
//! beside them. So the output of a container is never held up by a receiver that is slow or gone, nothing is lost while
//! the daemon is away, and `docker logs` can read the same files. What has not arrived when the oldest file has to go
//! is lost. After a crash of the daemon the last second may be sent twice.

mod address;
mod check;
mod connection;
mod duration;
mod failure;
mod fluentd;
mod forward;
mod gelf;
mod info;
mod journald;
mod message;
mod sink;
mod syslog;
mod tls;

pub use check::{NAMES, is_remote, validate_opts};
pub use failure::ShipError;
pub use forward::Shipper;
pub use info::{Info, SHORT_ID};
pub use sink::Sink;
