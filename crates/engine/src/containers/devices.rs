//! `--device` and `--privileged`: which nodes of the host a container gets.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bundle::{BundleError, DeviceNode};
use oci::runtime::DeviceRuleType;
use spec::HostConfig;

use crate::Error;

/// Deepest directory of devices that is walked.
const DEPTH: usize = 6;

/// The nodes of a declaration, with directories expanded.
pub(crate) fn resolve(host: &HostConfig) -> Result<Vec<DeviceNode>, Error> {
    let mut nodes = Vec::new();
    if host.privileged {
        walk(Path::new("/dev"), "/dev", "rwm", 0, &mut nodes);
        nodes.retain(|n| n.path != "/dev/console");
        return Ok(nodes);
    }
    for d in host.devices.iter().flatten() {
        let access = if d.cgroup_permissions.is_empty() { "rwm" } else { &d.cgroup_permissions };
        if !access.bytes().all(|b| b"rwm".contains(&b)) {
            return Err(BundleError::DeviceMode(access.to_owned()).into());
        }
        let inside = if d.path_in_container.is_empty() { &d.path_on_host } else { &d.path_in_container };
        let before = nodes.len();
        let path = Path::new(&d.path_on_host);
        match node(path, inside, access) {
            Some(found) => nodes.push(found),
            None if path.is_dir() => walk(path, inside, access, 0, &mut nodes),
            None => {}
        }
        if nodes.len() == before {
            return Err(BundleError::NoDevice { path: d.path_on_host.clone() }.into());
        }
    }
    Ok(nodes)
}

/// Numbers of the block devices that limits name, by path; what is not there is left out.
pub(crate) fn block_numbers(host: &HostConfig) -> BTreeMap<String, (i64, i64)> {
    let throttled = [
        &host.blkio_device_read_bps,
        &host.blkio_device_write_bps,
        &host.blkio_device_read_iops,
        &host.blkio_device_write_iops,
    ];
    let throttled = throttled.into_iter().flatten().flatten().map(|d| &d.path);
    let weighed = host.blkio_weight_device.iter().flatten().map(|d| &d.path);
    let number = |path: &String| {
        let rdev = std::fs::metadata(path).ok()?.rdev();
        Some((path.clone(), (i64::from(rustix::fs::major(rdev)), i64::from(rustix::fs::minor(rdev)))))
    };
    throttled.chain(weighed).filter_map(number).collect()
}

fn node(path: &Path, inside: &str, access: &str) -> Option<DeviceNode> {
    let meta = std::fs::metadata(path).ok()?;
    let kind = match meta.file_type() {
        t if t.is_char_device() => DeviceRuleType::Char,
        t if t.is_block_device() => DeviceRuleType::Block,
        _ => return None,
    };
    let rdev = meta.rdev();
    Some(DeviceNode {
        path: inside.to_owned(),
        kind,
        major: i64::from(rustix::fs::major(rdev)),
        minor: i64::from(rustix::fs::minor(rdev)),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        access: access.to_owned(),
    })
}

fn walk(dir: &Path, inside: &str, access: &str, depth: usize, out: &mut Vec<DeviceNode>) {
    if depth > DEPTH {
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, inside) = (entry.path(), format!("{inside}/{name}"));
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            // Kernel file systems that every container has of its own.
            if !matches!(name.as_str(), "pts" | "shm" | "fd" | "mqueue" | ".lxc" | ".lxd-mounts" | ".udev") {
                walk(&path, &inside, access, depth + 1, out);
            }
        } else if kind.is_char_device() || kind.is_block_device() {
            out.extend(node(&path, &inside, access));
        }
    }
}
