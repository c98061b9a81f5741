//! The small grammars of Docker: sizes, durations, filters, port and mount specs, environment variables,
//! ulimits, devices, restart policies, signals and timestamps. Shared by the CLI, the API and (later) compose.
//!
//! Pure: nothing here reads a file, the clock or the environment; whatever is needed of these is a parameter.
//! Error texts are those Docker's users see.

pub mod duration;
pub mod env;
pub mod filter;
pub mod gofmt;
pub mod limit;
pub mod mount;
pub mod num;
pub mod port;
pub mod restart;
pub mod signal;
pub mod size;
pub mod timestamp;
pub mod volume;

pub use duration::{format_duration, human_duration, parse_duration};
pub use filter::Filters;
pub use size::{bytes_size, custom_size, from_human_size, human_size, human_size_with_precision, ram_in_bytes};
