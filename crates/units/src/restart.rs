//! `--restart` values.

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A restart policy that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestartError {
    /// `:5`
    #[error("invalid restart policy format: no policy provided before colon")]
    NoName,
    /// `on-failure:x`
    #[error("invalid restart policy format: maximum retry count must be an integer")]
    Count,
}

impl HasKind for RestartError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// `name[:max-retries]`. The name is not checked: that is the engine's to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`, or empty.
    pub name: String,
    /// Retries of `on-failure`, 0 for no limit.
    pub maximum_retry_count: i64,
}

impl RestartPolicy {
    /// Reads a `--restart` value.
    pub fn parse(text: &str) -> Result<Self, RestartError> {
        let Some((name, count)) = text.split_once(':') else {
            return Ok(Self { name: text.to_owned(), maximum_retry_count: 0 });
        };
        if name.is_empty() {
            return Err(RestartError::NoName);
        }
        let count = if count.is_empty() { 0 } else { crate::num::atoi(count).map_err(|_| RestartError::Count)? };
        Ok(Self { name: name.to_owned(), maximum_retry_count: count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let p = RestartPolicy::parse("on-failure:3").unwrap();
        assert_eq!((p.name.as_str(), p.maximum_retry_count), ("on-failure", 3));
        assert_eq!(RestartPolicy::parse("always").unwrap().name, "always");
        assert!(RestartPolicy::parse(":3").is_err());
        assert!(RestartPolicy::parse("on-failure:x").is_err());
    }
}
