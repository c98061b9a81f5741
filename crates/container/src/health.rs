//! Health checks as data: what to run and when, and what a result means. No I/O, no clock.

use error::{ErrorKind, HasKind};
use serde::{Deserialize, Serialize};

const SECOND_NS: i64 = 1_000_000_000;
/// Shortest time that can be declared.
const MINIMUM_NS: i64 = 1_000_000;
const DEFAULT_INTERVAL_NS: i64 = 30 * SECOND_NS;
const DEFAULT_TIMEOUT_NS: i64 = 30 * SECOND_NS;
const DEFAULT_START_INTERVAL_NS: i64 = 5 * SECOND_NS;
const DEFAULT_RETRIES: u32 = 3;
/// Results that are remembered.
const LOG_ENTRIES: usize = 5;
/// Bytes of a probe's output that are kept.
pub const PROBE_OUTPUT_LIMIT: usize = 4096;

/// What the probes say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No verdict yet.
    #[default]
    Starting,
    /// The last probe was good.
    Healthy,
    /// Too many bad probes in a row, or the container is not probed any more.
    Unhealthy,
}

impl HealthStatus {
    /// The word the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How one probe went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// Nanoseconds since the epoch.
    pub start: i64,
    /// Nanoseconds since the epoch.
    pub end: i64,
    /// 0 is good; -1 if there is none (it took too long, or could not be run).
    pub exit_code: i32,
    /// What it printed, cut at [`PROBE_OUTPUT_LIMIT`]; or why it failed.
    pub output: String,
}

/// The health of one container; kept in its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Bad probes in a row.
    pub failing_streak: u32,
    /// The last results, oldest first.
    pub log: Vec<ProbeResult>,
    /// Start of the run that this is about, nanoseconds since the epoch.
    pub started_at: i64,
}

impl Health {
    /// Probing begins, or goes on, in the run that started then. A new run starts afresh but for the log.
    pub fn begin(&mut self, started_at: i64) {
        if self.started_at != started_at {
            self.started_at = started_at;
            self.status = HealthStatus::Starting;
            self.failing_streak = 0;
        }
    }

    /// Nobody probes any more (as Docker, that counts as unhealthy).
    pub fn end(&mut self) {
        self.status = HealthStatus::Unhealthy;
    }

    /// Takes a result; gives the new verdict if it changed.
    pub fn take(&mut self, check: &HealthCheck, result: ProbeResult) -> Option<HealthStatus> {
        let before = self.status;
        if result.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else {
            let age = result.start.saturating_sub(self.started_at);
            let grace = self.status == HealthStatus::Starting && age < check.start_period_ns;
            if !grace {
                self.failing_streak = self.failing_streak.saturating_add(1);
                if self.failing_streak >= check.retries {
                    self.status = HealthStatus::Unhealthy;
                }
            }
        }
        let surplus = (self.log.len() + 1).saturating_sub(LOG_ENTRIES);
        self.log.drain(..surplus);
        self.log.push(result);
        (self.status != before).then_some(self.status)
    }
}

/// What to run in a container to learn its health, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Longest time of a probe, nanoseconds.
    pub timeout_ns: i64,
    interval_ns: i64,
    start_period_ns: i64,
    start_interval_ns: i64,
    retries: u32,
}

/// A health check that cannot be, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HealthCheckError {
    /// A time below a millisecond (or below zero).
    #[error("{0} in Healthcheck cannot be less than 1ms")]
    TooShort(&'static str),
    /// Fewer than no retries.
    #[error("Retries in Healthcheck cannot be negative")]
    NegativeRetries,
}

impl HasKind for HealthCheckError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

impl HealthCheck {
    /// The check that is declared, if there is one and it is not `NONE`.
    pub fn of(config: &spec::Config) -> Option<Self> {
        let declared = config.healthcheck.as_ref()?;
        let (kind, words) = declared.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let default = ["/bin/sh".to_owned(), "-c".to_owned()];
                let shell = config.shell.as_deref().filter(|s| !s.is_empty()).unwrap_or(&default);
                shell.iter().chain(words).cloned().collect()
            }
            _ => return None,
        };
        let or = |n: i64, default| if n > 0 { n } else { default };
        let retries = u32::try_from(declared.retries).unwrap_or(0);
        (!command.is_empty()).then(|| Self {
            command,
            timeout_ns: or(declared.timeout, DEFAULT_TIMEOUT_NS),
            interval_ns: or(declared.interval, DEFAULT_INTERVAL_NS),
            start_period_ns: declared.start_period.max(0),
            start_interval_ns: or(declared.start_interval, DEFAULT_START_INTERVAL_NS),
            retries: if retries == 0 { DEFAULT_RETRIES } else { retries },
        })
    }

    /// Nanoseconds from `now` (since the epoch) to the next probe.
    pub fn delay_ns(&self, health: &Health, now: i64) -> i64 {
        let young = now.saturating_sub(health.started_at) < self.start_period_ns;
        if young && health.status == HealthStatus::Starting { self.start_interval_ns } else { self.interval_ns }
    }

    /// Refuses what Docker refuses.
    ///
    /// # Errors
    /// Times below a millisecond, negative retries.
    pub fn validate(declared: &spec::HealthConfig) -> Result<(), HealthCheckError> {
        let times = [
            ("Interval", declared.interval),
            ("Timeout", declared.timeout),
            ("StartPeriod", declared.start_period),
            ("StartInterval", declared.start_interval),
        ];
        if let Some((name, _)) = times.into_iter().find(|(_, n)| *n != 0 && *n < MINIMUM_NS) {
            return Err(HealthCheckError::TooShort(name));
        }
        if declared.retries < 0 { Err(HealthCheckError::NegativeRetries) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str]) -> spec::Config {
        let test = test.iter().map(|s| (*s).to_owned()).collect();
        let healthcheck = spec::HealthConfig { test, start_period: 10 * SECOND_NS, retries: 2, ..Default::default() };
        spec::Config { healthcheck: Some(healthcheck), ..spec::Config::default() }
    }

    fn result(exit_code: i32, start: i64) -> ProbeResult {
        ProbeResult { start, end: start + 1, exit_code, output: String::new() }
    }

    #[test]
    fn the_command_is_read_in_its_three_forms() {
        let command = |test: &[&str]| HealthCheck::of(&config(test)).map(|c| c.command);
        let words = |words: &[&str]| Some(words.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(command(&["CMD", "a", "b"]), words(&["a", "b"]));
        assert_eq!(command(&["CMD-SHELL", "a b"]), words(&["/bin/sh", "-c", "a b"]));
        assert_eq!(command(&["NONE"]), None);
        assert_eq!(command(&[]), None);
        let mut own = config(&["CMD-SHELL", "x"]);
        own.shell = words(&["/bin/bash", "-ec"]);
        assert_eq!(HealthCheck::of(&own).map(|c| c.command), words(&["/bin/bash", "-ec", "x"]));
    }

    #[test]
    fn failures_in_the_grace_do_not_count_until_it_was_healthy_once() {
        let check = HealthCheck::of(&config(&["CMD", "x"])).expect("check");
        let mut health = Health::default();
        health.begin(SECOND_NS);
        for at in 2..5 {
            assert_eq!(health.take(&check, result(1, at * SECOND_NS)), None);
        }
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Starting, 0));
        assert_eq!(health.take(&check, result(0, 5 * SECOND_NS)), Some(HealthStatus::Healthy));
        assert_eq!(health.take(&check, result(1, 6 * SECOND_NS)), None);
        assert_eq!(health.take(&check, result(-1, 7 * SECOND_NS)), Some(HealthStatus::Unhealthy));
        assert_eq!(health.take(&check, result(0, 8 * SECOND_NS)), Some(HealthStatus::Healthy));
        assert_eq!((health.log.len(), health.failing_streak), (LOG_ENTRIES, 0));
    }

    #[test]
    fn the_start_interval_holds_while_starting_only() {
        let check = HealthCheck::of(&config(&["CMD", "x"])).expect("check");
        let mut health = Health { started_at: SECOND_NS, ..Health::default() };
        assert_eq!(check.delay_ns(&health, 2 * SECOND_NS), DEFAULT_START_INTERVAL_NS);
        assert_eq!(check.delay_ns(&health, 11 * SECOND_NS), DEFAULT_INTERVAL_NS);
        health.status = HealthStatus::Healthy;
        assert_eq!(check.delay_ns(&health, 2 * SECOND_NS), DEFAULT_INTERVAL_NS);
    }

    #[test]
    fn a_new_run_starts_afresh_and_the_same_one_goes_on() {
        let mut health =
            Health { failing_streak: 2, status: HealthStatus::Unhealthy, started_at: 5, ..Health::default() };
        health.begin(5);
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Unhealthy, 2));
        health.begin(6);
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Starting, 0));
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let bad = spec::HealthConfig { timeout: 10, ..Default::default() };
        let text = HealthCheck::validate(&bad).map_err(|e| e.to_string());
        assert_eq!(text, Err("Timeout in Healthcheck cannot be less than 1ms".to_owned()));
        let bad = spec::HealthConfig { retries: -1, ..Default::default() };
        assert_eq!(HealthCheck::validate(&bad), Err(HealthCheckError::NegativeRetries));
        assert_eq!(HealthCheck::validate(&spec::HealthConfig::default()), Ok(()));
    }
}
