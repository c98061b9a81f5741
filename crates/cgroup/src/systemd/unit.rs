//! Names of scopes and slices.

use crate::{Error, Result};

/// A scope and the slice it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Name of the scope, as `docker-0123.scope`.
    pub name: String,
    /// Name of the slice.
    pub slice: String,
}

impl Unit {
    /// Out of `slice:prefix:name`, as `cgroupsPath` is written for runtimes with the systemd driver. Without a slice it is
    /// `system.slice` (`user.slice` for others than root); an empty path takes prefix and name given. A name that ends in
    /// `.slice` is a unit by itself.
    ///
    /// # Errors
    /// [`Error::InvalidUnit`].
    pub fn parse(path: &str, default: (&str, &str), root: bool) -> Result<Self> {
        let invalid = || Error::InvalidUnit { path: path.to_owned() };
        let default_slice = if root { "system.slice" } else { "user.slice" };
        let (slice, prefix, name) = if path.is_empty() {
            ("", default.0, default.1)
        } else {
            let mut parts = path.split(':');
            let parts = (parts.next(), parts.next(), parts.next(), parts.next());
            let (Some(slice), Some(prefix), Some(name), None) = parts else { return Err(invalid()) };
            (slice, prefix, name)
        };
        let slice = if slice.is_empty() { default_slice } else { slice };
        let name = match prefix {
            _ if name.ends_with(".slice") => name.to_owned(),
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        let unit = Self { name, slice: slice.to_owned() };
        let good = |name: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
            !name.starts_with('.') && name.len() < 256 && name.chars().all(fine)
        };
        if !good(&unit.name) || unit.name == ".scope" || expand(&unit.slice).is_none() || !good(&unit.slice) {
            return Err(invalid());
        }
        Ok(unit)
    }

    /// Where its cgroup is, below the mount of each hierarchy (and below the group of the user's own manager).
    #[must_use]
    pub fn path(&self) -> String {
        let slice = expand(&self.slice).unwrap_or_default();
        format!("{slice}/{}", self.name)
    }
}

/// Directories of a slice: `a-b.slice` lies in `a.slice` (systemd.slice(5)).
fn expand(slice: &str) -> Option<String> {
    let stem = slice.strip_suffix(".slice").filter(|stem| !stem.is_empty() && !stem.contains('/'))?;
    if stem == "-" {
        return Some(String::new());
    }
    let mut path = String::new();
    let mut name = String::new();
    for part in stem.split('-') {
        if part.is_empty() {
            return None;
        }
        name.push_str(part);
        path.push('/');
        path.push_str(&name);
        path.push_str(".slice");
        name.push('-');
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        let parse = |path: &str| Unit::parse(path, ("gantry", "box"), true).map(|u| (u.name.clone(), u.path()));
        let good = |path: &str, name: &str, at: &str| {
            assert_eq!(parse(path), Ok((name.to_owned(), at.to_owned())), "{path}");
        };
        good("", "gantry-box.scope", "/system.slice/gantry-box.scope");
        good("system.slice:docker:012", "docker-012.scope", "/system.slice/docker-012.scope");
        good("user-1000-x.slice:p:n", "p-n.scope", "/user.slice/user-1000.slice/user-1000-x.slice/p-n.scope");
        good("-.slice:p:n", "p-n.scope", "/p-n.scope");
        good("::n", "n.scope", "/system.slice/n.scope");
        good(":p:n.slice", "n.slice", "/system.slice/n.slice");
        for bad in
            ["/a/b", "a:b", "a:b:c", "a.slice:b:c/d", "a--b.slice:p:n", ".slice:p:n", "a.slice:p:n:x", "../x.slice:p:n"]
        {
            assert!(matches!(parse(bad), Err(Error::InvalidUnit { .. })), "{bad}");
        }
        assert_eq!(Unit::parse("", ("a", "b"), false).map(|u| u.slice), Ok("user.slice".to_owned()));
    }
}
