use error::{ErrorKind, HasKind};

use crate::{ExitInfo, State};

/// First delay before a restart (moby `restartmanager`).
const BACKOFF_FIRST_MS: u64 = 100;
/// Longest delay before a restart.
const BACKOFF_MAX_MS: u64 = 60_000;
/// A run at least this long starts the back-off afresh.
const BACKOFF_RESET_NS: i64 = 10_000_000_000;

/// When a dead container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always, but not after the user stopped it.
    Always,
    /// As `Always`, and not at daemon start either if the user had stopped it.
    UnlessStopped,
    /// After a non-zero exit, at most this often in a row (zero: no limit).
    OnFailure {
        /// Longest row of restarts.
        max_retries: u32,
    },
}

/// A restart policy that is none, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestartPolicyError {
    /// Not one of the four names.
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    Unknown(String),
    /// A retry count with a policy that has none.
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure'")]
    CountNotAllowed,
    /// Below zero.
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    NegativeCount,
}

impl HasKind for RestartPolicyError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

impl RestartPolicy {
    /// Reads the declared policy.
    pub fn parse(spec: &spec::RestartPolicy) -> Result<Self, RestartPolicyError> {
        let count = spec.maximum_retry_count;
        let policy = match spec.name.as_str() {
            "" | "no" => Self::No,
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            "on-failure" => {
                let max_retries = u32::try_from(count).map_err(|_| RestartPolicyError::NegativeCount)?;
                return Ok(Self::OnFailure { max_retries });
            }
            other => return Err(RestartPolicyError::Unknown(other.to_owned())),
        };
        match count {
            0 => Ok(policy),
            n if n < 0 => Err(RestartPolicyError::NegativeCount),
            // Docker ≤ 24 wrote a count beside the empty name; it means nothing.
            _ if spec.name.is_empty() => Ok(policy),
            _ => Err(RestartPolicyError::CountNotAllowed),
        }
    }

    /// The delay before the next start after this exit, or `None` to stay down.
    pub(crate) fn next_delay_ms(self, state: &State, exit: ExitInfo) -> Option<u64> {
        if state.stopped_by_user {
            return None;
        }
        let again = match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { max_retries } => {
                exit.code != 0 && (max_retries == 0 || state.restart_count < max_retries)
            }
        };
        again.then(|| {
            let long_run = state.started_at > 0 && exit.at - state.started_at >= BACKOFF_RESET_NS;
            if state.backoff_ms == 0 || long_run {
                BACKOFF_FIRST_MS
            } else {
                (state.backoff_ms * 2).min(BACKOFF_MAX_MS)
            }
        })
    }

    /// Whether a container found dead is to be started when the daemon starts.
    pub fn starts_with_daemon(self, state: &State) -> bool {
        match self {
            Self::No | Self::OnFailure { .. } => false,
            Self::Always => state.started_at > 0,
            Self::UnlessStopped => state.started_at > 0 && !state.stopped_by_user,
        }
    }
}
