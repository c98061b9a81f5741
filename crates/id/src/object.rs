use std::fmt;

use serde::{Deserialize, Serialize};

/// A string is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid id {0:?}: want 64 lower-case hexadecimal digits")]
pub struct IdError(pub String);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Builds an id from 32 random bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes.iter().map(|b| format!("{b:02x}")).collect())
            }

            /// All 64 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first 12 digits, as the command line shows them.
            pub fn short(&self) -> &str {
                &self.0[..12]
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(s: String) -> Result<Self, IdError> {
                let ok = s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if ok { Ok(Self(s)) } else { Err(IdError(s)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                Self::try_from(s.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.short())
            }
        }
    };
}

hex_id!(
    /// Identifies a container.
    ContainerId
);
hex_id!(
    /// Identifies an exec session.
    ExecId
);
hex_id!(
    /// Identifies a network, an endpoint or a sandbox.
    NetworkId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_hex_digits_are_an_id() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(good.parse::<ContainerId>().expect("valid").short(), "0123456789ab");
        for bad in ["", "abc", &good[1..], &good.to_uppercase(), &format!("{good}0")] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
        }
    }
}
