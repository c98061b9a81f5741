//! What an operation leaves behind in a machine: a picture before, a picture after, the difference.

use crate::engine::Engine;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Everything in a machine that an engine can leave behind, one line of text per thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(BTreeSet<String>);

impl Picture {
    /// Looks at the machine, the engine's objects and its data-root.
    pub fn take(engine: &Engine) -> anyhow::Result<Self> {
        let mut lines = BTreeSet::new();
        kernel_objects(engine, &mut lines)?;
        api_objects(engine, &mut lines)?;
        data_root(&engine.data_root(), &mut lines);
        Ok(Self(lines))
    }

    /// Looks at the machine until two looks in a row see the same, for when something is still on its way out.
    pub fn steady(engine: &Engine, patience: Duration) -> anyhow::Result<Self> {
        let deadline = Instant::now() + patience;
        let mut last = Self::take(engine)?;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = Self::take(engine)?;
            if now == last || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    /// What `later` has (`+`) or lacks (`-`) compared with this. Trash that is gone is no change: it was on its way.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let new = later.0.difference(&self.0).map(|line| format!("+ {line}"));
        let lost = self.0.difference(&later.0).filter(|line| !line.contains("/trash/"));
        let gone = lost.map(|line| format!("- {line}"));
        new.chain(gone).collect()
    }

    /// Looks again until nothing differs from this picture; after `patience` returns what still does.
    pub fn settle(&self, engine: &Engine, patience: Duration) -> anyhow::Result<Vec<String>> {
        let deadline = Instant::now() + patience;
        loop {
            let changes = self.changes(&Self::take(engine)?);
            if changes.is_empty() || Instant::now() > deadline {
                return Ok(changes);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn kernel_objects(engine: &Engine, lines: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let machine = &engine.machine;
    for mount in mounts(machine.init()?)? {
        lines.insert(format!("mount {mount}"));
    }
    for link in links(machine.init()?)? {
        lines.insert(format!("link {link}"));
    }
    for group in cgroups(machine.name()) {
        lines.insert(format!("cgroup {group}"));
    }
    for process in processes(machine.name()) {
        if process.name != "nsenter" {
            lines.insert(format!("process {}{}", process.name, if process.zombie { " (zombie)" } else { "" }));
        }
    }
    for dir in ["/run/docker/netns", "/run/netns", "/run/docker/shim"] {
        for name in names(&machine.outside(dir)?) {
            lines.insert(format!("{dir}/{name}"));
        }
    }
    for rule in machine.sh("nft -s list ruleset 2>/dev/null || true")?.stdout.lines() {
        lines.insert(format!("nft {}", rule.trim()));
    }
    Ok(())
}

fn api_objects(engine: &Engine, lines: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let api = engine.api()?;
    for (path, field) in [("/containers/json?all=1", "Id"), ("/images/json?all=1", "Id"), ("/networks", "Id")] {
        for item in api.get_json(path)?.as_array().context("a list")? {
            let extra = item.get("RepoTags").map(ToString::to_string).unwrap_or_default();
            lines.insert(format!("{path} {} {extra}", item[field].as_str().unwrap_or("?")));
        }
    }
    if let Ok(volumes) = api.get_json("/volumes") {
        for item in volumes["Volumes"].as_array().into_iter().flatten() {
            lines.insert(format!("/volumes {}", item["Name"].as_str().unwrap_or("?")));
        }
    }
    Ok(())
}

/// Per-container directories and everything that looks like a download under way.
fn data_root(root: &Path, lines: &mut BTreeSet<String>) {
    for name in names(&root.join("containers")) {
        lines.insert(format!("data-root/containers/{name}"));
    }
    for sub in ["ingest", "tmp", "partial", "trash", "staging"] {
        for dir in [
            root.to_path_buf(),
            root.join("content"),
            root.join("image"),
            root.join("snapshot"),
            root.join("snapshots"),
        ] {
            for name in names(&dir.join(sub)) {
                lines.insert(format!("{}/{sub}/{name}", dir.display()));
            }
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// Mount points (with type) in the mount namespace of a process.
pub fn mounts(pid: u32) -> anyhow::Result<Vec<String>> {
    let table = fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    let parse = |line: &str| {
        let point = line.split(' ').nth(4)?.to_owned();
        let kind = line.split(" - ").nth(1)?.split(' ').next()?;
        Some(format!("{point} {kind}"))
    };
    Ok(table.lines().filter_map(parse).collect())
}

/// Names of the links in the network namespace of a process. Left out: ends of pairs that are down, which wait in a
/// pool of ours for containers to come (that of a container is up).
pub fn links(pid: u32) -> anyhow::Result<Vec<String>> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/dev"))?;
    let names = table.lines().skip(2).filter_map(|l| l.split(':').next()).map(|n| n.trim().to_owned());
    let waits = |name: &str| {
        let link = PathBuf::from(format!("/proc/{pid}/root/sys/class/net/{name}"));
        let flags = fs::read_to_string(link.join("flags")).unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
        // IFF_UP (netdevice(7)).
        name.starts_with("veth") && flags.is_ok_and(|flags| flags & 1 == 0)
    };
    Ok(names.filter(|name| !waits(name)).collect())
}

/// Cgroups below a machine's own, in every hierarchy, as `<hierarchy>:<path below the machine's>`.
pub fn cgroups(machine: &str) -> BTreeSet<String> {
    fn walk(dir: &Path, label: &str, base: &Path, out: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                let path = entry.path();
                let below = path.strip_prefix(base).unwrap_or(&path).display().to_string();
                out.insert(format!("{label}:{below}"));
                walk(&path, label, base, out);
            }
        }
    }
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut out = BTreeSet::new();
    for line in table.lines().filter(|l| l.contains(" - cgroup ") || l.contains(" - cgroup2 ")) {
        let Some(point) = line.split(' ').nth(4).map(PathBuf::from) else { continue };
        let label = point.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let base = point.join(machine);
        walk(&base, &label, &base, &mut out);
    }
    out
}

/// A process of a machine.
#[derive(Debug, Clone)]
pub struct Process {
    /// As the host numbers it.
    pub pid: u32,
    /// As its innermost and outer namespaces number it, host first.
    pub ns_pids: Vec<u32>,
    /// Name (`comm`).
    pub name: String,
    /// Ended, not reaped.
    pub zombie: bool,
}

/// All processes of a machine, those of its containers included, found by their cgroups.
pub fn processes(machine: &str) -> Vec<Process> {
    let marker = format!("/{machine}");
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(groups) = fs::read_to_string(entry.path().join("cgroup")) else { continue };
        let inside = |line: &str| line.contains(&format!("{marker}/")) || line.ends_with(&marker);
        if !groups.lines().any(inside) {
            continue;
        }
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("").trim().to_owned();
        let ns_pids = field("NSpid:").split_whitespace().filter_map(|p| p.parse().ok()).collect();
        out.push(Process { pid, ns_pids, name: field("Name:"), zombie: field("State:").starts_with('Z') });
    }
    out
}
