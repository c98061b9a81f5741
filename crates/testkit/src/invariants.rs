//! What must hold after every test, whatever it did (I1–I9).
//!
//! [`check`] covers I1 (inspect agrees with `/proc`), I3 (no orphans), I4 (nothing half-visible), I5 (the image
//! store verifies) and I8 (every call answered in time); [`Baseline`] I7 (descriptors and threads);
//! [`lines_complete`] I9 (logs). I2 and I6 are what the tests themselves assert.

use crate::engine::{Engine, EngineKind};
use crate::leftovers::{self, Process};
use anyhow::{Context as _, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the background may take to tidy up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks the engine; the error lists everything that does not hold.
pub fn check(engine: &Engine) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let broken = violations(engine)?;
        if broken.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("invariants broken:\n  {}", broken.join("\n  "));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything that does not hold right now.
pub fn violations(engine: &Engine) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    let api = engine.api()?;
    let list = api.get_json("/containers/json?all=1")?;
    let mut containers = Vec::new();
    for item in list.as_array().context("GET /containers/json gave no list")? {
        let id = item["Id"].as_str().context("a container without Id")?;
        let reply = api.get(&format!("/containers/{id}/json"))?;
        if reply.status != 200 {
            broken.push(format!("I4: {id} is listed but inspect says {} {}", reply.status, reply.text()));
            continue;
        }
        containers.push(reply.json()?);
    }
    let processes = leftovers::processes(engine.machine.name());
    states_match_processes(engine, &containers, &processes, &mut broken)?;
    no_orphans(engine, &containers, &processes, &mut broken)?;
    images_verify(engine, &mut broken)?;
    Ok(broken)
}

fn running(container: &Value) -> bool {
    container["State"]["Running"].as_bool().unwrap_or(false)
}

fn name(container: &Value) -> &str {
    container["Name"].as_str().unwrap_or("?")
}

/// I1: a container runs if and only if its process lives, and that process is no older than `StartedAt` says.
fn states_match_processes(
    engine: &Engine,
    containers: &[Value],
    processes: &[Process],
    broken: &mut Vec<String>,
) -> anyhow::Result<()> {
    let depth = leftovers::processes(engine.machine.name())
        .iter()
        .find(|p| Some(p.pid) == engine.machine.init().ok())
        .map_or(2, |p| p.ns_pids.len());
    for container in containers {
        let pid = container["State"]["Pid"].as_u64().unwrap_or(0);
        let found = processes.iter().find(|p| p.ns_pids.get(depth - 1).is_some_and(|&n| u64::from(n) == pid));
        match (running(container), pid, found) {
            (false, 0, _) => {}
            (false, pid, _) => broken.push(format!("I1: {} does not run but has Pid {pid}", name(container))),
            (true, 0, _) => broken.push(format!("I1: {} runs but has no Pid", name(container))),
            (true, pid, None) => broken.push(format!("I1: {} runs but process {pid} does not exist", name(container))),
            (true, pid, Some(p)) if p.zombie => {
                broken.push(format!("I1: {} runs but process {pid} is a zombie", name(container)));
            }
            (true, _, Some(_)) => {}
        }
        let status = container["State"]["Status"].as_str().unwrap_or("");
        if running(container) != matches!(status, "running" | "paused" | "restarting") {
            broken.push(format!("I1: {} has Running={} and Status={status}", name(container), running(container)));
        }
    }
    Ok(())
}

/// I3: every mount, link, cgroup, namespace and shim belongs to a container that runs; no zombies.
fn no_orphans(
    engine: &Engine,
    containers: &[Value],
    processes: &[Process],
    broken: &mut Vec<String>,
) -> anyhow::Result<()> {
    let live: BTreeSet<&str> = containers.iter().filter(|c| running(c)).filter_map(|c| c["Id"].as_str()).collect();
    let known: BTreeSet<&str> = containers.iter().filter_map(|c| c["Id"].as_str()).collect();
    for group in leftovers::cgroups(engine.machine.name()) {
        if let Some(id) = container_id(&group)
            && !live.contains(id)
        {
            broken.push(format!("I3: cgroup of a container that does not run: {group}"));
        }
    }
    for mount in leftovers::mounts(engine.machine.init()?)? {
        if let Some(id) = container_id(&mount)
            && !live.contains(id)
            && (mount.contains("/containers/") || mount.contains("/run/"))
        {
            broken.push(format!("I3: mount of a container that does not run: {mount}"));
        }
    }
    let veths = leftovers::links(engine.machine.init()?)?.iter().filter(|l| l.starts_with("veth")).count();
    let endpoints: usize = containers.iter().filter(|c| running(c)).map(bridge_endpoints).sum();
    if veths != endpoints {
        broken.push(format!("I3: {veths} veth links for {endpoints} endpoints of running containers"));
    }
    for process in processes.iter().filter(|p| p.zombie && p.ns_pids.len() <= 2) {
        broken.push(format!("I3: zombie {} ({})", process.name, process.pid));
    }
    if engine.kind() == EngineKind::Gantry {
        let shims = engine.machine.outside("/run/docker/shim")?;
        for entry in fs::read_dir(shims).into_iter().flatten().flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            if id.len() == 64 && !live.contains(id.as_str()) {
                broken.push(format!("I3: /run entry of a container that does not run: {id}"));
            }
        }
    }
    for entry in fs::read_dir(engine.data_root().join("containers")).into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        if id.len() == 64 && !known.contains(id.as_str()) {
            broken.push(format!("I3: directory of a container that does not exist: {id}"));
        }
    }
    Ok(())
}

fn bridge_endpoints(container: &Value) -> usize {
    let networks = container["NetworkSettings"]["Networks"].as_object();
    networks.map_or(0, |n| {
        n.iter()
            .filter(|(name, e)| {
                *name != "host" && *name != "none" && e["IPAddress"].as_str().is_some_and(|a| !a.is_empty())
            })
            .count()
    })
}

/// The 64 hexadecimal digits in a path, if there are.
fn container_id(path: &str) -> Option<&str> {
    path.split(|c: char| !c.is_ascii_hexdigit()).find(|part| part.len() == 64)
}

/// I5: every listed image can be inspected by id and by each of its names, and every blob has its digest.
fn images_verify(engine: &Engine, broken: &mut Vec<String>) -> anyhow::Result<()> {
    let api = engine.api()?;
    for image in api.get_json("/images/json")?.as_array().context("GET /images/json gave no list")? {
        let tags = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in tags.chain(image["Id"].as_str()).filter(|n| *n != "<none>:<none>") {
            let reply = api.get(&format!("/images/{name}/json"))?;
            if reply.status != 200 {
                broken.push(format!("I5: image {name} is listed but inspect says {} {}", reply.status, reply.text()));
            }
        }
    }
    if engine.kind() == EngineKind::Gantry {
        blobs_verify(&engine.data_root(), 0, broken);
    }
    Ok(())
}

/// Checks each file below a directory `blobs/sha256` against its name.
fn blobs_verify(dir: &Path, depth: usize, broken: &mut Vec<String>) {
    if depth > 4 {
        return;
    }
    let is_store = dir.ends_with("blobs/sha256");
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_store {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.len() == 64 && file_digest(&path).is_ok_and(|digest| digest != name) {
                broken.push(format!("I5: {} is damaged", path.display()));
            }
        } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
            blobs_verify(&path, depth + 1, broken);
        }
    }
}

fn file_digest(path: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Open descriptors and threads of the daemon at one moment (I7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory, KiB.
    pub rss: usize,
}

impl Baseline {
    /// Counts now.
    pub fn take(engine: &Engine) -> anyhow::Result<Self> {
        let pid = engine.pid()?;
        let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map(Iterator::count);
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .and_then(|v| v.split_whitespace().next()?.parse().ok());
        Ok(Self { descriptors: count("fd")?, threads: count("task")?, rss: rss.unwrap_or(0) })
    }

    /// Waits until the daemon is back to this, give or take; the error says what is not.
    pub fn back(&self, engine: &Engine, descriptors: usize, threads: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::take(engine)?;
            if now.descriptors <= self.descriptors + descriptors && now.threads <= self.threads + threads {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("I7: was {self:?}, is {now:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// I9: the lines that start with a number are `first, first+1, …` without gap, repetition or disorder; returns the last.
pub fn lines_complete(text: &str, first: u64) -> anyhow::Result<u64> {
    let mut expected = first;
    for line in text.lines() {
        let number = line.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
        let number: u64 = number.parse().with_context(|| format!("a line without a number: {line:?}"))?;
        if number != expected {
            bail!("I9: line {number} where {expected} was due");
        }
        expected += 1;
    }
    Ok(expected.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_lines() {
        assert_eq!(lines_complete("1 a\n2 b\n3\n", 1).unwrap(), 3);
        assert!(lines_complete("1\n3\n", 1).is_err());
        assert!(lines_complete("1\n1\n", 1).is_err());
    }

    #[test]
    fn ids_in_paths() {
        let id = "a".repeat(64);
        assert_eq!(container_id(&format!("cpu:docker/{id}")), Some(id.as_str()));
        assert_eq!(container_id("cpu:docker/abc"), None);
    }
}
