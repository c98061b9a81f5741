//! Which cgroup a container gets.

use std::path::Path;
use std::sync::OnceLock;

use cgroup::systemd::{Scope, Systemd, Unit};
use cgroup::{Hierarchies, Manager};
use oci::runtime::{DeviceRule, Resources, Spec};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A container's cgroup, as it is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupRecord {
    /// Path below the mount of each hierarchy; none where the caller may not make cgroups.
    pub(crate) path: Option<String>,
    /// The scope of systemd that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<ScopeRecord>,
}

/// A scope of systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeRecord {
    name: String,
    slice: String,
    /// Whether it is the business of the user's own manager.
    user: bool,
}

impl ScopeRecord {
    fn unit(&self) -> Unit {
        Unit { name: self.name.clone(), slice: self.slice.clone() }
    }

    fn manager(&self) -> Result<Systemd> {
        if !self.user {
            return Ok(Systemd::system()?);
        }
        let dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        Ok(Systemd::user(Path::new(&dir.ok_or(Error::NoRuntimeDir)?))?)
    }
}

/// The host's hierarchies, looked at once: this process stays in its mount namespace.
fn hierarchies() -> Result<&'static Hierarchies> {
    static FOUND: OnceLock<Hierarchies> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = Hierarchies::detect()?;
    Ok(FOUND.get_or_init(|| found))
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
    /// Has systemd make the scope of a new container. It lasts as long as what comes back, or a process in it. For a caller
    /// with one thread, before it changes its user namespace.
    pub(crate) fn start_scope(spec: &Spec, id: &str) -> Result<(Self, Scope)> {
        let given = spec.linux.as_ref().map(|linux| linux.cgroups_path.as_str()).unwrap_or_default();
        let user = !rustix::process::geteuid().is_root() || in_user_namespace();
        let unit = Unit::parse(given, ("gantry", id), !user)?;
        let scope = ScopeRecord { name: unit.name.clone(), slice: unit.slice.clone(), user };
        let mut systemd = scope.manager()?;
        let above = if user { systemd.control_group()? } else { String::new() };
        let resources = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
        let held = Scope::start(&mut systemd, &unit, resources, hierarchies()?)?;
        Ok((Self { path: Some(above + &unit.path()), scope: Some(scope) }, held))
    }

    /// Chooses the cgroup of a new container.
    pub(crate) fn choose(spec: &Spec, id: &str) -> Self {
        let given = spec.linux.as_ref().map(|linux| linux.cgroups_path.clone()).unwrap_or_default();
        let own = own_cgroup();
        let unified = Hierarchies::detect().is_ok_and(|hierarchies| hierarchies.is_v2());
        Self { path: Some(path_of(&given, id, if unified { above(&own) } else { &own })), scope: None }
    }

    /// Adapts the limits of a new container's spec. `lenient`: where cgroups cannot be made, there is none, and there are no
    /// limits.
    pub(crate) fn adapt(self, spec: &mut Spec, lenient: bool) -> Result<Self> {
        let this = self;
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
                Ok(Self { path: None, scope: this.scope })
            }
            Err(error) => Err(error),
        }
    }

    /// The cgroup itself; one of no hierarchy where there is none.
    pub(crate) fn manager(&self) -> Result<Manager> {
        let none = || Hierarchies::new_v1(Vec::new(), None);
        Ok(match &self.path {
            Some(path) => Manager::new(path, hierarchies()?)?,
            None => Manager::new("/none", &none())?,
        })
    }

    /// Changes limits; systemd is told first, so that a reload of its own does not undo them.
    pub(crate) fn update(&self, resources: &Resources) -> Result<()> {
        if let Some(scope) = &self.scope {
            scope.manager()?.update(&scope.unit(), resources, hierarchies()?)?;
        }
        Ok(self.manager()?.apply(resources)?)
    }

    /// Removes it; processes in it must have ended.
    pub(crate) fn remove(&self) -> Result<()> {
        self.manager()?.delete()?;
        let Some(scope) = &self.scope else { return Ok(()) };
        match scope.manager().and_then(|mut systemd| Ok(systemd.stop(&scope.unit())?)) {
            // With the systemd its units are gone.
            Err(Error::Cgroup(cgroup::Error::NoSystemd)) => Ok(()),
            other => other,
        }
    }

    /// Removes it with all that is in it, of a container that did not come to be.
    pub(crate) fn discard(&self) {
        let _ = self.manager().and_then(|cgroup| Ok(cgroup.kill()?));
        let _ = self.remove();
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

/// On v2 a cgroup with processes in it, as the caller's own, cannot have limited ones below it: the one above can.
fn above(own: &str) -> &str {
    own.rsplit_once('/').map_or("/", |(parent, _)| parent)
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
        assert_eq!(path_of("", "x", above("/user/me")), "/user/x");
        assert_eq!(path_of("", "x", above("/me")), "/x");
        assert_eq!(path_of("", "x", above("/")), "/x");
    }

    #[test]
    fn scopes_are_remembered() {
        let scope = ScopeRecord { name: "p-n.scope".to_owned(), slice: "a-b.slice".to_owned(), user: false };
        let record = CgroupRecord { path: Some(scope.unit().path()), scope: Some(scope) };
        assert_eq!(record.path.as_deref(), Some("/a.slice/a-b.slice/p-n.scope"));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CgroupRecord>(&text).unwrap(), record);
        let old: CgroupRecord = serde_json::from_str(r#"{"path":"/x"}"#).unwrap();
        assert_eq!(old, CgroupRecord { path: Some("/x".to_owned()), scope: None });
    }

    #[test]
    fn scopes_need_a_systemd_and_a_name() {
        let spec = |path: &str| Spec {
            linux: Some(oci::runtime::Linux { cgroups_path: path.to_owned(), ..Default::default() }),
            ..Spec::default()
        };
        let text = CgroupRecord::start_scope(&spec("/docker/x"), "x").map(drop).unwrap_err().to_string();
        let wanted =
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/docker/x\" instead";
        assert_eq!(text, wanted);
        if !cgroup::systemd::is_running() && rustix::process::geteuid().is_root() && !in_user_namespace() {
            let text = CgroupRecord::start_scope(&spec("a.slice:p:n"), "x").map(drop).unwrap_err().to_string();
            assert_eq!(text, "systemd not running on this host, cannot use systemd cgroups manager");
        }
    }

    #[test]
    fn own() {
        assert_eq!(own_in("0::/user.slice/a\n"), "/user.slice/a");
        assert_eq!(own_in("9:name=systemd:/s\n5:cpu:/c\n4:memory:/m\n0::/\n"), "/m");
        assert_eq!(own_in("0::/../x\n"), "/");
        assert_eq!(own_in(""), "/");
    }
}
