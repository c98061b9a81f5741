//! Which cgroup hierarchies the host has, and where.

use std::path::{Path, PathBuf};

use crate::file;
use crate::{Error, Result};

/// Conventional mount point.
const BASE: &str = "/sys/fs/cgroup";
/// statfs(2) magic of cgroup2 (include/uapi/linux/magic.h).
const CGROUP2_MAGIC: i64 = 0x6367_7270;
/// statfs(2) magic of cgroup v1.
const CGROUP_MAGIC: i64 = 0x0027_e0eb;

/// Kind of host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies do the work; a v2 tree is mounted beside them.
    Hybrid,
    /// One v2 tree.
    V2,
}

/// One mounted v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Controllers, or one `name=…`.
    pub controllers: Vec<String>,
    /// Mount point.
    pub mount: PathBuf,
}

impl Hierarchy {
    /// Whether the controller lives here.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|own| own == controller)
    }
}

/// All hierarchies of the host. Learn once, clone freely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    mode: Mode,
    v1: Vec<Hierarchy>,
    unified: Option<PathBuf>,
    unified_controllers: Vec<String>,
}

impl Hierarchies {
    /// Looks at `/sys/fs/cgroup` of the calling process, without reading the mount table where that can be helped.
    ///
    /// # Errors
    /// [`Error::NotMounted`], or [`Error::Io`] when /proc or /sys cannot be read.
    pub fn detect() -> Result<Self> {
        let base = Path::new(BASE);
        if magic(base) == Some(CGROUP2_MAGIC) {
            return Ok(Self::new_v2(base));
        }
        let own = file::read(Path::new("/proc/self/cgroup"))?;
        let mut v1 = Vec::new();
        let mut incomplete = false;
        for controllers in parse_proc_cgroup(&own) {
            match find_conventional(base, &controllers) {
                Some(mount) => v1.push(Hierarchy { controllers, mount }),
                None => incomplete = true,
            }
        }
        let unified = base.join("unified");
        let mut unified = (magic(&unified) == Some(CGROUP2_MAGIC)).then_some(unified);
        if incomplete || (v1.is_empty() && unified.is_none()) {
            let table = file::read(Path::new("/proc/self/mountinfo"))?;
            let (mounted, mounted_unified) = parse_mountinfo(&table);
            for hierarchy in mounted {
                if !v1.iter().any(|known| known.controllers.iter().any(|c| hierarchy.has(c))) {
                    v1.push(hierarchy);
                }
            }
            unified = unified.or(mounted_unified);
        }
        match unified {
            Some(mount) if v1.is_empty() => Ok(Self::new_v2(&mount)),
            None if v1.is_empty() => Err(Error::NotMounted),
            unified => Ok(Self::new_v1(v1, unified)),
        }
    }

    /// A pure v2 host with the tree at `mount`.
    #[must_use]
    pub fn new_v2(mount: &Path) -> Self {
        Self { mode: Mode::V2, v1: Vec::new(), unified_controllers: controllers_of(mount), unified: Some(mount.into()) }
    }

    /// A v1 or, with a v2 tree, hybrid host.
    #[must_use]
    pub fn new_v1(v1: Vec<Hierarchy>, unified: Option<PathBuf>) -> Self {
        let unified_controllers = unified.as_deref().map(controllers_of).unwrap_or_default();
        let mode = if unified.is_some() { Mode::Hybrid } else { Mode::V1 };
        Self { mode, v1, unified, unified_controllers }
    }

    /// Kind of host.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether limits go through cgroup v2 (Docker's `CgroupVersion` 2).
    #[must_use]
    pub fn is_v2(&self) -> bool {
        self.mode == Mode::V2
    }

    /// The v1 hierarchies.
    #[must_use]
    pub fn v1(&self) -> &[Hierarchy] {
        &self.v1
    }

    /// Mount point of the v2 tree.
    #[must_use]
    pub fn unified(&self) -> Option<&Path> {
        self.unified.as_deref()
    }

    /// Controllers of the v2 tree's root.
    #[must_use]
    pub fn unified_controllers(&self) -> &[String] {
        &self.unified_controllers
    }

    /// Mount point of the v1 hierarchy with this controller.
    #[must_use]
    pub fn v1_mount(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|hierarchy| hierarchy.has(controller)).map(|hierarchy| hierarchy.mount.as_path())
    }

    /// Whether a controller can be used, in whichever tree. On v2 `devices` and `freezer` are always there.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        if self.is_v2() {
            let name = match controller {
                "blkio" => "io",
                "cpuacct" => "cpu",
                "devices" | "freezer" => return true,
                other => other,
            };
            return self.unified_controllers.iter().any(|own| own == name);
        }
        self.v1_mount(controller).is_some()
    }
}

fn magic(path: &Path) -> Option<i64> {
    #[expect(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
    rustix::fs::statfs(path).ok().map(|found| found.f_type as i64)
}

fn controllers_of(mount: &Path) -> Vec<String> {
    let text = file::read(&mount.join("cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Finds where a v1 hierarchy is mounted by the names that distributions use: all controllers joined, or any one.
fn find_conventional(base: &Path, controllers: &[String]) -> Option<PathBuf> {
    let joined = controllers.join(",");
    std::iter::once(joined.as_str())
        .chain(controllers.iter().map(String::as_str))
        .map(|name| base.join(name.strip_prefix("name=").unwrap_or(name)))
        .find(|path| magic(path) == Some(CGROUP_MAGIC))
}

/// Controllers of each v1 hierarchy out of `/proc/self/cgroup` (`4:memory:/x`); the v2 line (`0::/`) is left out.
fn parse_proc_cgroup(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .filter_map(|line| line.split(':').nth(1))
        .filter(|controllers| !controllers.is_empty())
        .map(|controllers| controllers.split(',').map(str::to_owned).collect())
        .collect()
}

/// v1 hierarchies and v2 mount point out of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn parse_mountinfo(text: &str) -> (Vec<Hierarchy>, Option<PathBuf>) {
    const OPTIONS: [&str; 6] = ["rw", "ro", "relatime", "noatime", "xattr", "nosuid"];
    let mut v1 = Vec::new();
    let mut unified = None;
    for line in text.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else { continue };
        let Some(point) = mount.split(' ').nth(4) else { continue };
        let mut fields = file_system.split(' ');
        let (Some(kind), _, Some(options)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let point = PathBuf::from(unescape(point));
        match kind {
            "cgroup2" if unified.is_none() => unified = Some(point),
            "cgroup" => {
                let controllers: Vec<String> = options
                    .split(',')
                    .filter(|option| !OPTIONS.contains(option))
                    .filter(|option| !option.contains('=') || option.starts_with("name="))
                    .map(str::to_owned)
                    .collect();
                v1.push(Hierarchy { controllers, mount: point });
            }
            _ => {}
        }
    }
    (v1, unified)
}

/// Undoes the octal escapes of the mount table.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_cgroup() {
        let found = parse_proc_cgroup("9:name=systemd:/\n4:cpu,cpuacct:/a:b\n0::/x\n");
        assert_eq!(found, [vec!["name=systemd".to_owned()], vec!["cpu".to_owned(), "cpuacct".to_owned()]]);
    }

    #[test]
    fn mountinfo() {
        let (v1, unified) = parse_mountinfo(
            "25 22 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
             26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n\
             27 25 0:24 / /a\\040b rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n\
             28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(v1[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!((v1[1].controllers[0].as_str(), v1[1].mount.as_path()), ("name=systemd", Path::new("/a b")));
    }

    #[test]
    fn lookups() {
        let hierarchies = Hierarchies::new_v1(
            vec![Hierarchy { controllers: vec!["cpu".into(), "cpuacct".into()], mount: "/c".into() }],
            None,
        );
        assert_eq!(hierarchies.mode(), Mode::V1);
        assert_eq!(hierarchies.v1_mount("cpuacct"), Some(Path::new("/c")));
        assert!(hierarchies.has("cpu") && !hierarchies.has("memory"));
    }
}
