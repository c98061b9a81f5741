//! From the engine's values to the wire's.

use jiff::Timestamp;

/// A point in time, nanoseconds since the epoch; zero is Go's zero time.
pub(super) fn time(nanos: i64) -> String {
    if nanos == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    Timestamp::from_nanosecond(i128::from(nanos)).map(units::timestamp::rfc3339_nano).unwrap_or_default()
}

/// The same for wider numbers.
pub(super) fn wide_time(nanos: i128) -> String {
    time(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Now, nanoseconds since the epoch.
pub(super) fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Go's `int64` of sizes.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// `null` for an empty list.
pub(super) fn none_if_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Nanoseconds of a `since` or `until` argument of seconds with a fraction; `None` if empty (or `0` for `until`).
pub(super) fn unix_argument(form: &crate::http::Form, key: &str) -> super::Result<Option<i64>> {
    let text = form.get(key);
    if text.is_empty() || (key == "until" && text == "0") {
        return Ok(None);
    }
    let time = units::timestamp::parse_unix(text)
        .map_err(|e| crate::http::ApiError::bad_request(format!("invalid value for {key:?}: {e}")))?;
    Ok(Some(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)))
}
