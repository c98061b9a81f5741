//! What a bind's propagation asks of the mount that its source lies on.

use std::path::{Path, PathBuf};

use super::super::view::MountPoint;
use crate::Error;

/// A mount of the host with its optional fields (proc_pid_mountinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostMount {
    at: PathBuf,
    shared: bool,
    slave: bool,
}

/// Refuses binds that want to share what nobody shares.
pub(super) fn check(points: &[MountPoint]) -> Result<(), Error> {
    let wants = |p: &&MountPoint| {
        p.kind == "bind" && matches!(p.propagation.as_str(), "shared" | "rshared" | "slave" | "rslave")
    };
    if !points.iter().any(|p| wants(&p)) {
        return Ok(());
    }
    let text = std::fs::read_to_string("/proc/self/mountinfo").map_err(|source| Error::Io {
        op: "read",
        path: "/proc/self/mountinfo".into(),
        source,
    })?;
    let mounts: Vec<HostMount> = text.lines().filter_map(parse).collect();
    points.iter().filter(wants).try_for_each(|point| check_one(point, &mounts))
}

fn check_one(point: &MountPoint, mounts: &[HostMount]) -> Result<(), Error> {
    let source = std::fs::canonicalize(&point.source).unwrap_or_else(|_| PathBuf::from(&point.source));
    let Some(under) = holding(&source, mounts) else {
        return Err(Error::Volume(format!("could not find source mount of {}", point.source)));
    };
    let wanted = match point.propagation.as_str() {
        "shared" | "rshared" if !under.shared => "a shared mount",
        "slave" | "rslave" if !under.shared && !under.slave => "a shared or slave mount",
        _ => return Ok(()),
    };
    Err(Error::Volume(format!("path {} is mounted on {} but it is not {wanted}", point.source, under.at.display())))
}

/// The mount that a path lies on: the deepest one, and of several at one place the last.
fn holding<'a>(path: &Path, mounts: &'a [HostMount]) -> Option<&'a HostMount> {
    mounts.iter().filter(|m| path.starts_with(&m.at)).max_by_key(|m| m.at.components().count())
}

fn parse(line: &str) -> Option<HostMount> {
    let mut words = line.split(' ');
    let at = unescape(words.nth(4)?);
    let mut mount = HostMount { at: at.into(), shared: false, slave: false };
    for word in words.skip(1).take_while(|w| *w != "-") {
        mount.shared |= word.starts_with("shared:");
        mount.slave |= word.starts_with("master:");
    }
    Some(mount)
}

/// `\040` and its like.
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let digits: Vec<u8> = bytes.by_ref().take(3).collect();
        let value = digits.iter().try_fold(0_u8, |n, d| n.checked_mul(8)?.checked_add(d.checked_sub(b'0')?));
        out.extend(value);
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_that_holds_a_path_decides() {
        let mounts: Vec<HostMount> = [
            "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
            "30 22 0:5 / /a rw shared:5 - tmpfs x rw",
            "31 30 0:6 / /a/b\\040c rw master:5 - tmpfs x rw",
        ]
        .into_iter()
        .filter_map(parse)
        .collect();
        let point = |source: &str, propagation: &str| MountPoint {
            kind: "bind".to_owned(),
            source: source.to_owned(),
            propagation: propagation.to_owned(),
            ..MountPoint::default()
        };
        let text = |source, propagation| check_one(&point(source, propagation), &mounts).map_err(|e| e.to_string());
        assert_eq!(text("/a/x", "rshared"), Ok(()));
        assert_eq!(text("/a/b c/x", "slave"), Ok(()));
        assert_eq!(
            text("/a/b c/x", "shared"),
            Err("path /a/b c/x is mounted on /a/b c but it is not a shared mount".to_owned())
        );
        assert_eq!(
            text("/ab", "rslave"),
            Err("path /ab is mounted on / but it is not a shared or slave mount".to_owned())
        );
    }
}
