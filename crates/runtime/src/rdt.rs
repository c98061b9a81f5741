//! Intel RDT: shares of the last cache and of the way to memory (Documentation/filesystems/resctrl.rst; runtime-spec
//! config-linux.md, "IntelRdt").

use std::io;
use std::path::{Path, PathBuf};

use oci::runtime::{IntelRdt, Spec};
use shim_proto::{StartError, Step};

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

/// Changes the class of a container that runs: the lines that are given, of a cache or of memory bandwidth. A container
/// that had none gets one of its own. Gives what is in force now.
///
/// # Errors
/// In runc's words, for what the machine has not got; and what the kernel refuses.
pub fn update(
    present: Option<&IntelRdt>,
    id: &str,
    pid: i32,
    (l3, memory): (&str, &str),
) -> std::result::Result<IntelRdt, StartError> {
    update_below(root(), present, id, pid, (l3, memory)).map_err(Failure::of_spec)
}

fn update_below(
    root: Option<&Path>,
    present: Option<&IntelRdt>,
    id: &str,
    pid: i32,
    (l3, memory): (&str, &str),
) -> Result<IntelRdt> {
    let has = |what: &str| root.is_some_and(|root| root.join("info").join(what).exists());
    if !l3.is_empty() && !has("L3") {
        return Err(Failure::plain(Step::Limit, "Intel RDT/CAT: l3 cache schema is not enabled"));
    }
    if !memory.is_empty() && !has("MB") {
        return Err(Failure::plain(Step::Limit, "Intel RDT/MBA: memory bandwidth schema is not enabled"));
    }
    let mut wanted = present.cloned().unwrap_or_default();
    for (own, given) in [(&mut wanted.l3_cache_schema, l3), (&mut wanted.mem_bw_schema, memory)] {
        if !given.is_empty() {
            given.clone_into(own);
        }
    }
    if let Some(root) = root {
        enter(&wanted, id, root, pid)?;
    }
    Ok(wanted)
}

/// Figures of a container's class; all of it is `None` or empty where there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// `info/L3`: mask of all bits, fewest bits, number of classes.
    pub l3: Option<(String, u64, u64)>,
    /// L3 line of the first class, and of the container's.
    pub l3_schema: (String, String),
    /// `info/MB`: granularity, whether delays are linear, least share, number of classes.
    pub memory: Option<(u64, u64, u64, u64)>,
    /// MB line of the first class, and of the container's.
    pub memory_schema: (String, String),
    /// By node: bytes of memory moved in all, and within the node.
    pub bandwidth: Vec<(u64, u64)>,
    /// By node: bytes of cache occupied.
    pub occupancy: Vec<u64>,
}

/// Reads the figures of a container's class; `None` for a container without one.
#[must_use]
pub fn figures(spec: &Spec, id: &str) -> Option<Figures> {
    let rdt = spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref())?;
    Some(figures_below(rdt, id, root()?))
}

fn figures_below(rdt: &IntelRdt, id: &str, root: &Path) -> Figures {
    let text = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let number = |path: PathBuf| text(path).parse().unwrap_or(0);
    let dir = class(rdt, id, root);
    let line = |dir: &Path, kind: &str| {
        let schemata = text(dir.join("schemata"));
        schemata.lines().map(str::trim).find(|line| line.starts_with(kind)).unwrap_or_default().to_owned()
    };
    let (l3, mb) = (root.join("info/L3"), root.join("info/MB"));
    let group = monitor(&dir, id);
    let data = if group.is_dir() { group } else { dir.clone() }.join("mon_data");
    let mut nodes: Vec<PathBuf> =
        std::fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    nodes.sort();
    let features = text(root.join("info/L3_MON/mon_features"));
    let has = |feature: &str| features.lines().any(|line| line == feature);
    let mut figures = Figures::default();
    if l3.exists() {
        let info = |name: &str| l3.join(name);
        figures.l3 = Some((text(info("cbm_mask")), number(info("min_cbm_bits")), number(info("num_closids"))));
        figures.l3_schema = (line(root, "L3:"), line(&dir, "L3:"));
    }
    if mb.exists() {
        let info = |name: &str| number(mb.join(name));
        figures.memory =
            Some((info("bandwidth_gran"), info("delay_linear"), info("min_bandwidth"), info("num_closids")));
        figures.memory_schema = (line(root, "MB:"), line(&dir, "MB:"));
    }
    if has("mbm_total_bytes") || has("mbm_local_bytes") {
        let moved = |node: &PathBuf| (number(node.join("mbm_total_bytes")), number(node.join("mbm_local_bytes")));
        figures.bandwidth = nodes.iter().map(moved).collect();
    }
    if has("llc_occupancy") {
        figures.occupancy = nodes.iter().map(|node| number(node.join("llc_occupancy"))).collect();
    }
    figures
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

    #[test]
    fn changes_of_a_running_container() {
        let dir = tempfile::tempdir().unwrap();
        let change = |present: Option<&IntelRdt>, schemas| update_below(Some(dir.path()), present, "box", 7, schemas);
        let refused = |schemas| change(None, schemas).unwrap_err().text;
        assert_eq!(refused(("L3:0=f", "")), "Intel RDT/CAT: l3 cache schema is not enabled");
        assert_eq!(refused(("", "MB:0=50")), "Intel RDT/MBA: memory bandwidth schema is not enabled");
        std::fs::create_dir_all(dir.path().join("info/L3")).unwrap();
        std::fs::create_dir_all(dir.path().join("info/MB")).unwrap();
        let now = change(None, ("L3:0=f", "")).unwrap();
        let now = change(Some(&now), ("", "MB:0=50")).unwrap();
        assert_eq!((now.l3_cache_schema.as_str(), now.mem_bw_schema.as_str()), ("L3:0=f", "MB:0=50"));
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read("box/schemata").as_str(), read("box/tasks").as_str()), ("L3:0=f\nMB:0=50\n", "7"));
    }

    #[test]
    fn figures_of_a_class() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("info/L3/cbm_mask", "fff\n"),
            ("info/L3/min_cbm_bits", "2\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\n"),
            ("schemata", "    L3:0=fff\n"),
            ("box/schemata", "    L3:0=f\n"),
            ("box/mon_data/mon_L3_00/llc_occupancy", "4096\n"),
            ("box/mon_data/mon_L3_00/mbm_total_bytes", "9\n"),
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let wanted = Figures {
            l3: Some(("fff".to_owned(), 2, 16)),
            l3_schema: ("L3:0=fff".to_owned(), "L3:0=f".to_owned()),
            bandwidth: vec![(9, 0)],
            occupancy: vec![4096],
            ..Figures::default()
        };
        assert_eq!(figures_below(&rdt("", &[]), "box", dir.path()), wanted);
    }
}
