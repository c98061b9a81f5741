//! Runs one case: bundle, scripts, what came out, what was left.

use crate::stage::{Bundle, Stage};
use crate::table::Case;
use anyhow::Context as _;
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one case may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A runtime under test.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Short name: of its column, and in ids.
    pub name: String,
    /// Its program.
    pub program: PathBuf,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// What was wrong.
    Failed(String),
    /// What the machine lacks.
    Skipped(String),
}

/// What a script said and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs a case with a runtime.
pub fn run(stage: &Stage, runtime: &Runtime, case: &Case) -> anyhow::Result<Verdict> {
    if let Some(lack) = case.needs.iter().find(|need| !met(need)) {
        return Ok(Verdict::Skipped(lack.clone()));
    }
    let bundle = stage.bundle(&runtime.name, case)?;
    let verdict = attempt(stage, runtime, case, &bundle)?;
    fs::remove_dir_all(&bundle.dir).with_context(|| format!("removing {}", bundle.dir.display()))?;
    Ok(verdict)
}

fn attempt(stage: &Stage, runtime: &Runtime, case: &Case, bundle: &Bundle) -> anyhow::Result<Verdict> {
    let root = bundle.dir.with_extension("state");
    let shell = |script: &str| said(stage, runtime, bundle, &root, script);
    if !case.pre.is_empty() {
        let before = shell(&format!("set -e\n{}", case.pre.join("\n")))?;
        if before.code != 0 {
            return Ok(Verdict::Failed(format!("preparing: {}{}", before.out, before.err)));
        }
    }
    let script = if case.host.is_empty() { "rt run $id".to_owned() } else { case.host.join("\n") };
    let said = shell(&script)?;
    let mut faults = compare(case, bundle, &stage.probe(), &said)?;
    let cleaned =
        shell("rt delete -f $id >/dev/null 2>&1; for i in $(ls \"$ROOT\" 2>/dev/null); do rt delete -f $i; done")?;
    if case.clean {
        faults.extend(left(bundle, &root, &cleaned));
    }
    let _ = fs::remove_dir_all(&root);
    Ok(if faults.is_empty() {
        Verdict::Passed
    } else {
        let log = fs::read_to_string(bundle.dir.join("log")).unwrap_or_default();
        Verdict::Failed(format!(
            "{}\nexit {}\nstdout: {}\nstderr: {}{log}",
            faults.join("\n"),
            said.code,
            said.out,
            said.err
        ))
    })
}

/// Where scripts find programs.
fn search_path() -> String {
    let peers = std::env::var("PEERS").unwrap_or_else(|_| "/var/tmp/peers".to_owned());
    format!("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{peers}/criu/usr/sbin")
}

fn said(stage: &Stage, runtime: &Runtime, bundle: &Bundle, root: &Path, script: &str) -> anyhow::Result<Said> {
    let (out, err) = (bundle.dir.with_extension("out"), bundle.dir.with_extension("err"));
    let whole = format!("rt() {{ \"$R\" --root \"$ROOT\" \"$@\"; }}\n{}", bundle.fill(&stage.probe(), script));
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(whole)
        .env_clear()
        .env("PATH", search_path())
        .env("R", &runtime.program)
        .env("ROOT", root)
        .env("B", &bundle.dir)
        .env("PROBE", stage.probe())
        .env("id", &bundle.id)
        .current_dir(&bundle.dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out)?)
        .stderr(fs::File::create(&err)?)
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > LIMIT {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            break child.wait()?;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let said = Said {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        out: read(&out)?,
        err: read(&err)?,
    };
    let _ = (fs::remove_file(&out), fs::remove_file(&err));
    Ok(said)
}

fn compare(case: &Case, bundle: &Bundle, probe: &Path, said: &Said) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    match case.code {
        Some(code) if code != said.code => faults.push(format!("exit status {}, not {code}", said.code)),
        None if said.code == 0 => faults.push("it succeeded".to_owned()),
        _ => {}
    }
    if said.err.contains("panicked at") || said.out.contains("panicked at") {
        faults.push("it panicked".to_owned());
    }
    if !case.out.is_empty() {
        let wanted: Vec<String> = case.out.iter().filter(|l| *l != "-").map(|line| bundle.fill(probe, line)).collect();
        let text = said.out.replace('\r', "");
        let got: Vec<&str> = text.lines().map(str::trim_end).collect();
        if wanted.len() != got.len() {
            faults.push(format!("{} lines of output, not {}", got.len(), wanted.len()));
        }
        for (wanted, got) in wanted.iter().zip(&got) {
            let same = match wanted.strip_prefix('~') {
                Some(pattern) => regex_lite::Regex::new(&format!("^(?:{pattern})$"))?.is_match(got),
                None => wanted == got,
            };
            if !same {
                faults.push(format!("wanted {wanted:?}, got {got:?}"));
            }
        }
    }
    for pattern in &case.err {
        let pattern = bundle.fill(probe, pattern);
        if !regex_lite::Regex::new(&format!("(?is){pattern}"))?.is_match(&said.err) {
            faults.push(format!("standard error lacks {pattern:?}"));
        }
    }
    Ok(faults)
}

/// What a runtime left: state, mounts, cgroups.
fn left(bundle: &Bundle, root: &Path, cleaned: &Said) -> Vec<String> {
    let mut faults = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        // What a runtime keeps for itself beside the containers.
        if !entry.file_name().to_string_lossy().starts_with('.') {
            faults.push(format!("state is left: {} ({})", entry.path().display(), cleaned.err.trim()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = format!("{}/", bundle.dir.display());
    if let Some(line) = mounts.lines().find(|line| line.contains(&below)) {
        faults.push(format!("a mount is left: {line}"));
    }
    for dir in hierarchies() {
        let group = dir.join("suite").join(&bundle.id);
        if group.exists() {
            faults.push(format!("a cgroup is left: {}", group.display()));
            let _ = fs::remove_dir(group);
        }
    }
    faults
}

/// Mount points of the cgroup hierarchies.
pub fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_cgroup = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    table.lines().filter(is_cgroup).filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

/// Whether the machine has what a case needs.
///
/// * `v1` / `v2`: cgroups of this version; `v1:NAME` / `v2:NAME`: this controller in it.
/// * `path:PATH`: a file.
/// * `criu`: an installed criu, in `PATH` or among the engines to compare with (`PEERS`).
/// * `userns`: users without privileges may make user namespaces.
pub fn met(need: &str) -> bool {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers");
    let (kind, what) = need.split_once(':').unwrap_or((need, ""));
    match kind {
        "v1" if what.is_empty() => !unified.exists(),
        "v1" => Path::new("/sys/fs/cgroup").join(what).join("cgroup.procs").exists(),
        "v2" if what.is_empty() => unified.exists(),
        "v2" => fs::read_to_string(unified).is_ok_and(|all| all.split_whitespace().any(|one| one == what)),
        "path" => Path::new(what).exists(),
        "criu" => search_path().split(':').any(|dir| Path::new(dir).join("criu").exists()),
        "userns" => {
            let set = |name: &str, to: &str| {
                fs::read_to_string(Path::new("/proc/sys").join(name)).is_ok_and(|value| value.trim() == to)
            };
            let names = ["kernel/apparmor_restrict_unprivileged_userns", "kernel/unprivileged_userns_clone"];
            !set(names[0], "1") && !set(names[1], "0") && !set("user/max_user_namespaces", "0")
        }
        _ => false,
    }
}
