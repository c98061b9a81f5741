//! Intel RDT: shares of the last cache and of the way to memory (Documentation/filesystems/resctrl.rst; runtime-spec
//! config-linux.md, "IntelRdt").

use std::io;
use std::path::{Path, PathBuf};

use oci::runtime::{IntelRdt, Spec};
use shim_proto::Step;

use crate::failure::{Context as _, Failure, Result};

/// Where the file system is mounted.
const ROOT: &str = "/sys/fs/resctrl";
/// statfs(2) magic of resctrl.
const MAGIC: i64 = 0x0765_5821;

/// The mounted file system, if there is one.
pub(crate) fn root() -> Option<&'static Path> {
    let root = Path::new(ROOT);
    rustix::fs::statfs(root).is_ok_and(|found| found.f_type == MAGIC).then_some(root)
}

/// Whether what is asked for is there.
pub(crate) fn check(rdt: &IntelRdt, root: Option<&Path>) -> std::result::Result<(), &'static str> {
    let Some(root) = root else { return Err("intelRdt is specified in config, but Intel RDT is not enabled") };
    if !rdt.l3_cache_schema.is_empty() && !root.join("info/L3").exists() {
        return Err("intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled");
    }
    if !rdt.mem_bw_schema.is_empty() && !root.join("info/MB").exists() {
        return Err("intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled");
    }
    Ok(())
}

/// The directory of a container's class: the class that is named (`/` is the first one), else one of its own.
fn class(rdt: &IntelRdt, id: &str, root: &Path) -> PathBuf {
    match rdt.clos_id.as_str() {
        "" => root.join(id),
        named => root.join(named.trim_start_matches('/')),
    }
}

fn monitor(class: &Path, id: &str) -> PathBuf {
    class.join("mon_groups").join(id)
}

/// Puts a process into its class, making it as it is described.
pub(crate) fn enter(rdt: &IntelRdt, id: &str, root: &Path, pid: i32) -> Result<()> {
    let dir = class(rdt, id, root);
    let failed = |path: &Path| format!("unable to apply Intel RDT configuration: {}", path.display());
    let schemes = [&rdt.l3_cache_schema, &rdt.mem_bw_schema];
    let lines: Vec<&str> = rdt.schemata.iter().chain(schemes).map(String::as_str).filter(|l| !l.is_empty()).collect();
    if !dir.is_dir() {
        if !rdt.clos_id.is_empty() && lines.is_empty() {
            let text = "clos_id is set, but l3_cache_schema / mem_bw_schema are not and clos directory doesn't exist";
            return Err(Failure::plain(Step::Limit, text));
        }
        make(&dir).with_context(Step::Limit, || failed(&dir))?;
    }
    let write = |path: PathBuf, text: String| std::fs::write(&path, text).with_context(Step::Limit, || failed(&path));
    if !lines.is_empty() {
        let text = format!("{}\n", lines.join("\n").trim_end());
        write(dir.join("schemata"), text)?;
    }
    write(dir.join("tasks"), pid.to_string())?;
    if rdt.enable_monitoring {
        let group = monitor(&dir, id);
        make(&group).with_context(Step::Limit, || failed(&group))?;
        write(group.join("tasks"), pid.to_string())?;
    }
    Ok(())
}

fn make(dir: &Path) -> io::Result<()> {
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Removes what a container has of its own outside of its cgroup and namespaces: its class of Intel RDT, unless it is one
/// that has a name of its own. Missing things are fine.
///
/// # Errors
/// rmdir(2).
pub fn forget(spec: &Spec, id: &str) -> io::Result<()> {
    let rdt = spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref());
    match (rdt, root()) {
        (Some(rdt), Some(root)) => leave(rdt, id, root),
        _ => Ok(()),
    }
}

pub(crate) fn leave(rdt: &IntelRdt, id: &str, root: &Path) -> io::Result<()> {
    let dir = class(rdt, id, root);
    let gone = if rdt.clos_id.is_empty() { dir } else { monitor(&dir, id) };
    match std::fs::remove_dir(gone) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rdt(class: &str, schemata: &[&str]) -> IntelRdt {
        IntelRdt {
            clos_id: class.to_owned(),
            schemata: schemata.iter().map(|&s| s.to_owned()).collect(),
            ..IntelRdt::default()
        }
    }

    #[test]
    fn classes() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let full = IntelRdt { l3_cache_schema: "L3:0=ff".into(), mem_bw_schema: "MB:0=50".into(), ..rdt("", &[]) };
        enter(&full, "box", dir.path(), 7).unwrap();
        assert_eq!((read("box/schemata").as_str(), read("box/tasks").as_str()), ("L3:0=ff\nMB:0=50\n", "7"));
        assert!(enter(&rdt("gold", &[]), "box", dir.path(), 7).unwrap_err().text.contains("doesn't exist"));
        enter(&rdt("gold", &["L3:0=f"]), "box", dir.path(), 8).unwrap();
        assert_eq!(read("gold/schemata"), "L3:0=f\n");
        leave(&rdt("gold", &[]), "box", dir.path()).unwrap();
        assert!(dir.path().join("gold").is_dir(), "a class with a name is not ours to remove");
        leave(&rdt("", &[]), "other", dir.path()).unwrap();
    }

    #[test]
    fn what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let wants = IntelRdt { l3_cache_schema: "L3:0=ff".into(), ..rdt("", &[]) };
        assert_eq!(check(&wants, None), Err("intelRdt is specified in config, but Intel RDT is not enabled"));
        assert!(check(&wants, Some(dir.path())).unwrap_err().contains("Intel RDT/CAT"));
        std::fs::create_dir_all(dir.path().join("info/L3")).unwrap();
        assert_eq!(check(&wants, Some(dir.path())), Ok(()));
    }
}
