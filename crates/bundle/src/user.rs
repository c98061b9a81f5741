//! Who runs a process: `--user` against the contents of the image's `passwd` and `group` (bounded by the caller).

use error::{ErrorKind, HasKind};

/// Largest user or group id (moby's `user` package: ids fit in a signed 32-bit number).
const MAX_ID: u32 = i32::MAX as u32;

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { uid: 0, gid: 0, groups: Vec::new(), home: "/".to_owned() }
    }
}

/// Why a user cannot be resolved. The texts are those of the `user` package of moby.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such name.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// No such group.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// A number outside of the range.
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

impl HasKind for UserError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::System
    }
}

struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn passwd_entries(text: &str) -> impl Iterator<Item = Passwd<'_>> {
    text.lines().filter_map(|line| {
        let mut f = line.trim().split(':');
        let (name, _, uid, gid, _, home) = (f.next()?, f.next()?, f.next()?, f.next()?, f.next(), f.next());
        Some(Passwd { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.unwrap_or_default() })
    })
}

fn group_entries(text: &str) -> impl Iterator<Item = Group<'_>> {
    text.lines().filter_map(|line| {
        let mut f = line.trim().split(':');
        let (name, _, gid, members) = (f.next()?, f.next()?, f.next()?, f.next());
        Some(Group { name, gid: gid.parse().ok()?, members: members.unwrap_or_default() })
    })
}

fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        // "-1" is a number too, only not a good one.
        let negative = text.strip_prefix('-').is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
        return if negative { Err(UserError::Range) } else { Ok(None) };
    }
    match text.parse::<u32>() {
        Ok(n) if n <= MAX_ID => Ok(Some(n)),
        _ => Err(UserError::Range),
    }
}

/// Resolves `user[:group]`, names or numbers; empty is root.
///
/// # Errors
/// [`UserError`].
pub fn resolve(user: &str, passwd: &str, group: &str) -> Result<Identity, UserError> {
    let (user_part, group_part) = match user.split_once(':') {
        Some((u, g)) => (u, Some(g).filter(|g| !g.is_empty())),
        None => (user, None),
    };
    let mut identity = Identity::default();
    let wanted = if user_part.is_empty() { "0" } else { user_part };
    let by_name = passwd_entries(passwd).find(|e| e.name == wanted);
    let uid = if by_name.is_some() { None } else { number(wanted)? };
    let entry = by_name.or_else(|| uid.and_then(|uid| passwd_entries(passwd).find(|e| e.uid == uid)));
    match (&entry, uid) {
        (Some(e), _) => {
            (identity.uid, identity.gid) = (e.uid, e.gid);
            if !e.home.is_empty() {
                e.home.clone_into(&mut identity.home);
            }
        }
        (None, Some(uid)) => identity.uid = uid,
        (None, None) => return Err(UserError::NoUser(wanted.to_owned())),
    }
    if let Some(wanted) = group_part {
        identity.gid = group_id(wanted, group)?.ok_or_else(|| UserError::NoGroup(wanted.to_owned()))?;
    } else if let Some(entry) = &entry {
        identity.groups =
            group_entries(group).filter(|g| g.members.split(',').any(|m| m == entry.name)).map(|g| g.gid).collect();
        identity.groups.sort_unstable();
        identity.groups.dedup();
    }
    Ok(identity)
}

/// The id of a group given by name or number; `None` if a name is not there.
///
/// # Errors
/// [`UserError::Range`].
pub fn group_id(wanted: &str, group: &str) -> Result<Option<u32>, UserError> {
    match group_entries(group).find(|g| g.name == wanted) {
        Some(entry) => Ok(Some(entry.gid)),
        None => number(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:\nbad line\n1000:x:5:5::/five:\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,www\nwww:x:33:\nextra:x:7:www\n";

    #[test]
    fn users_are_found_by_name_and_number() {
        let id = |u: &str| resolve(u, PASSWD, GROUP).map(|i| (i.uid, i.gid, i.groups, i.home));
        assert_eq!(id(""), Ok((0, 0, vec![10], "/root".to_owned())));
        assert_eq!(id("www"), Ok((33, 33, vec![7, 10], "/var/www".to_owned())));
        assert_eq!(id("33"), Ok((33, 33, vec![7, 10], "/var/www".to_owned())));
        assert_eq!(id("www:extra"), Ok((33, 7, vec![], "/var/www".to_owned())));
        assert_eq!(id("4000:5000"), Ok((4000, 5000, vec![], "/".to_owned())));
        // A name that looks like a number is a name.
        assert_eq!(id("1000").map(|i| i.0), Ok(5));
        assert_eq!(id("nobody"), Err(UserError::NoUser("nobody".to_owned())));
        assert_eq!(id("www:none"), Err(UserError::NoGroup("none".to_owned())));
        for bad in ["4294967295", "4294967296", "-1", "0:2147483648"] {
            assert_eq!(id(bad), Err(UserError::Range), "{bad}");
        }
        for bad in ["0x0", "1e3", " 0"] {
            assert!(matches!(id(bad), Err(UserError::NoUser(_))), "{bad}");
        }
    }
}
