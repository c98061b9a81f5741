//! Names of volumes.

use crate::error::Cause;

/// Longest name in bytes: a component of a path.
const LIMIT: usize = 255 - ".removing-".len();

/// Checks a name as the local driver does: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn check(name: &str) -> Result<(), Cause> {
    if name.len() == 1 {
        return Err(Cause::NameTooShort);
    }
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return Err(Cause::Name { name: name.to_owned() });
    }
    if name.len() > LIMIT {
        return Err(Cause::NameTooLong { limit: LIMIT });
    }
    Ok(())
}

/// A name for a volume that nobody named: 64 hexadecimal digits.
///
/// # Errors
/// The kernel gives no random bytes.
pub fn anonymous() -> Result<String, Cause> {
    let mut bytes = [0_u8; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(Cause::io("read", "random"))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["ab", "a_b.c-d", "0x", &anonymous().expect("random")] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert!(matches!(check("a"), Err(Cause::NameTooShort)));
        for bad in ["", "/etc", "..", ".x", "a/b", "a b", "-x", "ü1", "a\n"] {
            assert!(matches!(check(bad), Err(Cause::Name { .. })), "{bad}");
        }
        assert!(matches!(check(&"a".repeat(300)), Err(Cause::NameTooLong { .. })));
        assert_eq!(
            Cause::Name { name: "a b".to_owned() }.to_string(),
            "\"a b\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute path"
        );
    }
}
