//! Which cgroup a container gets.

use std::path::Path;

use cgroup::{Hierarchies, Manager};
use oci::runtime::{DeviceRule, Spec};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A container's cgroup, as it is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupRecord {
    /// Path below the mount of each hierarchy; none where the caller may not make cgroups.
    pub(crate) path: Option<String>,
}

/// Whether cgroups that may not be changed are done without.
pub(crate) fn is_lenient(option: Option<&str>) -> Result<bool> {
    match option.unwrap_or("auto") {
        "auto" => Ok(!rustix::process::geteuid().is_root() || in_user_namespace()),
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        text => Err(Error::Value { option: "--rootless", text: text.to_owned() }),
    }
}

/// Whether ids are not the host's: the map of the first user namespace is the whole range.
pub(crate) fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let fields: Vec<&str> = map.split_whitespace().collect();
    !map.is_empty() && fields != ["0", "0", "4294967295"]
}

impl CgroupRecord {
    /// Chooses the cgroup of a new container and adapts the limits of its spec. `lenient`: where cgroups cannot be made,
    /// there is none, and there are no limits.
    pub(crate) fn choose(spec: &mut Spec, id: &str, systemd: bool, lenient: bool) -> Result<Self> {
        if systemd {
            return Err(Error::Unsupported { option: "--systemd-cgroup" });
        }
        let given = spec.linux.as_ref().map(|linux| linux.cgroups_path.clone()).unwrap_or_default();
        let path = path_of(&given, id, &own_cgroup());
        let this = Self { path: Some(path) };
        if !lenient {
            let resources = spec.linux.get_or_insert_default().resources.get_or_insert_default();
            resources.devices = device_rules(std::mem::take(&mut resources.devices));
            return Ok(this);
        }
        let resources = spec.linux.as_mut().and_then(|linux| linux.resources.as_mut());
        let usable = this.manager().and_then(|manager| Ok(manager.create()?));
        match usable {
            Ok(()) => {
                // Device programs are not for others than the host's root.
                if let Some(resources) = resources {
                    resources.devices.clear();
                }
                Ok(this)
            }
            Err(Error::Cgroup(error)) if is_refusal(&error) => {
                let _ = this.manager().map(|manager| manager.delete());
                if let Some(linux) = &mut spec.linux {
                    linux.resources = None;
                }
                Ok(Self { path: None })
            }
            Err(error) => Err(error),
        }
    }

    /// The cgroup itself; one of no hierarchy where there is none.
    pub(crate) fn manager(&self) -> Result<Manager> {
        let none = || Hierarchies::new_v1(Vec::new(), None);
        Ok(match &self.path {
            Some(path) => Manager::new(path, &Hierarchies::detect()?)?,
            None => Manager::new("/none", &none())?,
        })
    }

    /// Whether it is frozen. A cgroup that is gone, or has no freezer, is not.
    pub(crate) fn is_frozen(&self) -> Result<bool> {
        if self.path.is_none() {
            return Ok(false);
        }
        match self.manager()?.is_frozen() {
            Err(cgroup::Error::NoController { .. }) => Ok(false),
            Err(error) if error.errno() == Some(Errno::NOENT) || error.errno() == Some(Errno::NODEV) => Ok(false),
            other => Ok(other?),
        }
    }
}

/// All that the rules do not allow is denied, but for the devices that every container has.
fn device_rules(given: Vec<DeviceRule>) -> Vec<DeviceRule> {
    let mut common = cgroup::default_device_rules();
    let rest = common.split_off(1.min(common.len()));
    common.into_iter().chain(given).chain(rest).collect()
}

fn is_refusal(error: &cgroup::Error) -> bool {
    matches!(error, cgroup::Error::NotMounted)
        || matches!(error.errno(), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT | Errno::BUSY))
}

/// An absolute path is one below the root of the hierarchies, another one below the caller's own cgroup.
fn path_of(given: &str, id: &str, own: &str) -> String {
    let own = own.trim_end_matches('/');
    match given {
        "" => format!("{own}/{id}"),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{own}/{relative}"),
    }
}

/// The cgroup of this process.
fn own_cgroup() -> String {
    own_in(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// On a v2 host that of the tree, else that of the memory or first hierarchy.
fn own_in(text: &str) -> String {
    let lines = || text.lines().filter_map(|line| line.split_once(':').and_then(|(_, rest)| rest.split_once(':')));
    let v1 = || lines().filter(|(controllers, _)| !controllers.is_empty() && !controllers.starts_with("name="));
    let found = v1()
        .find(|(controllers, _)| controllers.split(',').any(|c| c == "memory"))
        .or_else(|| v1().next())
        .or_else(|| lines().find(|(controllers, _)| controllers.is_empty()));
    let path = found.map_or("/", |(_, path)| path);
    // A cgroup outside of the caller's cgroup namespace cannot be named.
    if Path::new(path).components().any(|part| part == std::path::Component::ParentDir) { "/" } else { path }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(path_of("", "x", "/"), "/x");
        assert_eq!(path_of("", "x", "/user/me"), "/user/me/x");
        assert_eq!(path_of("/docker/x", "x", "/user/me"), "/docker/x");
        assert_eq!(path_of("a/b", "x", "/user"), "/user/a/b");
    }

    #[test]
    fn own() {
        assert_eq!(own_in("0::/user.slice/a\n"), "/user.slice/a");
        assert_eq!(own_in("9:name=systemd:/s\n5:cpu:/c\n4:memory:/m\n0::/\n"), "/m");
        assert_eq!(own_in("0::/../x\n"), "/");
        assert_eq!(own_in(""), "/");
    }
}
