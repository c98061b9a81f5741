//! RFC 3339 with nanoseconds, as Go's `time.RFC3339Nano` writes it.

/// `2006-01-02T15:04:05.999999999Z` for nanoseconds since 1970 UTC; trailing zeros of the fraction are dropped.
pub fn format_rfc3339_nano(time_ns: i64) -> String {
    let _ = time_ns;
    String::new()
}

/// Nanoseconds since 1970 UTC of an RFC 3339 time with any offset; `None` if it is not one or does not fit.
pub fn parse_rfc3339(s: &str) -> Option<i64> {
    let _ = s;
    None
}
