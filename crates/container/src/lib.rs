//! The life of one container as a pure function: [`step`] takes a [`State`] and an [`Input`] and gives back the next
//! state with the [`Command`]s that the engine must carry out. No I/O, no clock, no tasks: everything a container can
//! go through is tested here as data.
//!
//! ```text
//!            Start            Started               Exited (no restart)
//! Created ─────────► Starting ───────► Running ───────────────────────► Exited ──Start──► Starting …
//!                       │ StartFailed    │  ▲ Unpaused       Exited (restart)
//!                       ▼                ▼  │              ┌──────────► Restarting ──BackoffOver──► Starting
//!              Created / Exited        Paused ─────────────┘                │ Stop
//!                                                                           ▼
//! any but Starting ──Remove──► Removing ──► (gone)   or Dead if it fails   Exited
//! ```

mod health;
mod restart;
mod state;
mod step;

pub use health::{Health, HealthCheck, HealthCheckError, HealthStatus, PROBE_OUTPUT_LIMIT, ProbeResult};
pub use restart::{RestartPolicy, RestartPolicyError};
pub use state::{ExitInfo, Phase, State};
pub use step::{Command, Input, Refused, step};
