use std::fmt;

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The newest, which the handlers speak.
    pub const LATEST: Self = Self::new(1, 56);
    /// The oldest that can be served.
    pub const OLDEST: Self = Self::new(1, 24);

    /// `major.minor`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads `1.44`. Further parts are ignored, a missing minor part is zero.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Some(0), |m| m.parse().ok())?;
        Some(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_not_texts() {
        assert!(Version::parse("1.9") < Version::parse("1.24"));
        assert_eq!(Version::parse("1.44").map(|v| v.to_string()).as_deref(), Some("1.44"));
        assert_eq!(
            (Version::parse("2"), Version::parse("1."), Version::parse(".")),
            (Some(Version::new(2, 0)), None, None)
        );
    }
}
