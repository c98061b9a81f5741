use serde::{Deserialize, Serialize};

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Made, never started.
    Created,
    /// A start is under way.
    Starting,
    /// The init process lives.
    Running,
    /// The init process lives and is frozen.
    Paused,
    /// Dead, waiting for its next start by the restart policy.
    Restarting,
    /// Dead.
    Exited,
    /// Being removed.
    Removing,
    /// Removal failed half-way.
    Dead,
}

impl Phase {
    /// The word the API uses (`State.Status`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created | Self::Starting => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }
}

/// The whole changing state of a container; kept in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it is.
    pub phase: Phase,
    /// PID of the init in the daemon's namespace; zero when none lives.
    pub pid: i32,
    /// Start of the last run, nanoseconds since the epoch; zero if never.
    pub started_at: i64,
    /// End of the last run, nanoseconds since the epoch; zero if never.
    pub finished_at: i64,
    /// Exit code of the last run (128 + signal when killed).
    pub exit_code: i32,
    /// The kernel killed a process of it for lack of memory.
    pub oom_killed: bool,
    /// Why the last start failed, in Docker's words.
    pub error: String,
    /// Starts made by the restart policy since the user's last start.
    pub restart_count: u32,
    /// The user stopped it: `unless-stopped` stays down, `always` too until the daemon starts again.
    pub stopped_by_user: bool,
    /// Delay before the next restart, milliseconds; doubles while runs are short.
    pub backoff_ms: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Created,
            pid: 0,
            started_at: 0,
            finished_at: 0,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            restart_count: 0,
            stopped_by_user: false,
            backoff_ms: 0,
        }
    }
}

impl State {
    /// The init lives (frozen or not).
    pub fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitInfo {
    /// Exit code, 128 + signal when killed.
    pub code: i32,
    /// The kernel killed a process of it for lack of memory.
    pub oom_killed: bool,
    /// Nanoseconds since the epoch.
    pub at: i64,
}
