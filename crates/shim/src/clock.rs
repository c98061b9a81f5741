//! Time.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// One second in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec)
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Nanoseconds on a clock that nobody sets.
pub(crate) fn monotonic() -> i64 {
    nanos(clock_gettime(ClockId::Monotonic))
}
