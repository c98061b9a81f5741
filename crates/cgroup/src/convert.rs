//! Values of v1 terms turned into v2 terms.

use crate::{Error, Result};

/// `cpu.weight` (1 to 10000) for CPU shares (2 to 262144), so that the ends, and 1024 → 100, map onto each other:
/// the quadratic of <https://github.com/kubernetes/kubernetes/issues/131216>, which runc and crun use. 0 is unset.
pub(crate) fn cpu_weight(shares: u64) -> u64 {
    if shares == 0 {
        return 0;
    }
    let shares = shares.clamp(2, 262_144);
    #[expect(clippy::cast_precision_loss, reason = "at most 262144")]
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10000")]
    let weight = 10_f64.powf(exponent).ceil() as u64;
    weight.clamp(1, 10_000)
}

/// `io.weight` (1 to 10000) for a blkio weight (10 to 1000), linearly. 0 is unset.
pub(crate) fn io_weight(weight: u16) -> u64 {
    match u64::from(weight) {
        0 => 0,
        weight => 1 + (weight.clamp(10, 1000) - 10) * 9999 / 990,
    }
}

/// `memory.swap.max` (swap alone) for the v1 pair memory and memory+swap. `None` is unset, -1 unlimited.
pub(crate) fn swap(limit: Option<i64>, both: Option<i64>) -> Result<Option<i64>> {
    match (limit.unwrap_or(0), both.unwrap_or(0)) {
        // As v1 does: without memory limit there is none on swap.
        (-1, 0) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (_, -1) => Ok(Some(-1)),
        (limit, both) if limit == 0 || limit == -1 || both < 0 => Err(Error::SwapWithoutMemory),
        (limit, both) if both < limit => Err(Error::SwapBelowMemory { limit, swap: both }),
        (limit, both) => Ok(Some(both - limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (shares, weight) in [(0, 0), (1, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)] {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        for (weight, io) in [(0, 0), (10, 1), (1000, 10_000), (500, 4950), (u16::MAX, 10_000)] {
            assert_eq!(io_weight(weight), io, "{weight}");
        }
    }

    #[test]
    fn swaps() {
        for (limit, both, expected) in [
            (None, None, Ok(None)),
            (Some(10), Some(30), Ok(Some(20))),
            (Some(10), Some(10), Ok(Some(0))),
            (Some(10), Some(-1), Ok(Some(-1))),
            (Some(-1), None, Ok(Some(-1))),
            (Some(10), None, Ok(None)),
            (Some(10), Some(5), Err(Error::SwapBelowMemory { limit: 10, swap: 5 })),
            (None, Some(5), Err(Error::SwapWithoutMemory)),
        ] {
            assert_eq!(swap(limit, both), expected, "{limit:?} {both:?}");
        }
    }
}
