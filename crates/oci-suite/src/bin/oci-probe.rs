//! What a container looks like from inside, and the far ends of a runtime's sockets. Static, needs no other file.
//!
//! * `mount PATH`: options, type and propagation of the mount on top at PATH.
//! * `super PATH`: options of its file system.
//! * `call NAME [NUMBER...]`: what this system call says: `ok`, `errno N`, `signal N`, `exit N`, `waits`. `call32` and
//!   `callx32`: by the tables of i386 and x32. A number may stand for the name.
//! * `verdicts`: the same for every number of every table, called with -1.
//! * `sched`: policy, nice value, real-time priority. `ioprio`: class and level. `affinity`: list of processors.
//! * `fds`: open descriptors but for the three standard ones.
//! * `status KEY`: this line of `/proc/self/status`.
//! * `watch FILE`: looks at all processes again and again until FILE is there, prints every program, root, working
//!   directory and descriptor that could be read of them, each once; and `writable PROGRAM` of those that could be opened
//!   for writing when they had ended.
//! * `facts`: everything at once, as JSON.
//! * `agent SOCKET`: takes one seccomp listener, prints the state that came with it, drops the listener.
//! * `console SOCKET`: takes one terminal, copies what it shows until it is closed.

use anyhow::{Context as _, bail};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use seccomp::Arch;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use sys::trial::{Abi, Outcome};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["mount", path] => mount(path).map(|m| format!("{} {} {}", m.options, m.kind, m.propagation)),
        ["super", path] => mount(path).map(|m| m.file_system),
        ["call", name, ref rest @ ..] => call(Abi::Native, name, rest),
        ["call32", name, ref rest @ ..] => call(Abi::I386, name, rest),
        ["callx32", name, ref rest @ ..] => call(Abi::X32, name, rest),
        ["verdicts"] => verdicts(),
        ["sched"] => sched(),
        ["ioprio"] => ioprio(),
        ["affinity"] => status("Cpus_allowed_list"),
        ["fds"] => Ok(fds().join("\n")),
        ["status", key] => status(key),
        ["watch", file] => Ok(watch(Path::new(file))),
        ["facts"] => facts(),
        ["agent", socket] => agent(socket),
        ["console", socket] => console(socket),
        _ => Err(anyhow::anyhow!("usage: see the head of oci-probe.rs")),
    };
    match done {
        Ok(text) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("probe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One line of mountinfo.
struct Mount {
    target: String,
    root: String,
    options: String,
    propagation: String,
    kind: String,
    file_system: String,
}

fn mounts() -> anyhow::Result<Vec<Mount>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    text.lines()
        .map(|line| {
            let (left, right) = line.split_once(" - ").context("no separator")?;
            let left: Vec<&str> = left.split(' ').collect();
            let right: Vec<&str> = right.split(' ').collect();
            let optional = left.get(6..).unwrap_or_default();
            let mut propagation: Vec<&str> =
                optional.iter().map(|o| o.split(':').next().unwrap_or(o)).filter(|o| *o != "propagate_from").collect();
            if propagation.is_empty() {
                propagation.push("private");
            }
            Ok(Mount {
                target: (*left.get(4).context("no target")?).to_owned(),
                root: (*left.get(3).context("no root")?).to_owned(),
                options: (*left.get(5).context("no options")?).to_owned(),
                propagation: propagation.join(","),
                kind: (*right.first().context("no type")?).to_owned(),
                file_system: right.get(2).copied().unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

fn mount(path: &str) -> anyhow::Result<Mount> {
    let found = mounts()?.into_iter().rev().find(|m| m.target == path);
    found.with_context(|| format!("{path} is no mount point"))
}

fn show(outcome: Outcome) -> String {
    match outcome {
        Outcome::Returned(n) if (-4095..0).contains(&n) => format!("errno {}", -n),
        Outcome::Returned(_) => "ok".to_owned(),
        Outcome::Signal(n) => format!("signal {n}"),
        Outcome::Exited(n) => format!("exit {n}"),
        Outcome::Waits => "waits".to_owned(),
    }
}

fn outcome(abi: Abi, number: u32, arguments: [u32; 6]) -> anyhow::Result<Outcome> {
    Ok(sys::trial::call(abi, number, arguments, Duration::from_millis(150))?)
}

fn number(abi: Abi, name: &str) -> anyhow::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let arch = match abi {
        Abi::Native => Arch::native(),
        Abi::I386 => Arch::X86,
        Abi::X32 => Arch::X32,
    };
    Ok(seccomp::number(arch, name).with_context(|| format!("no call {name}"))? & !0x4000_0000)
}

fn call(abi: Abi, name: &str, rest: &[&str]) -> anyhow::Result<String> {
    let mut arguments = [0; 6];
    for (slot, text) in arguments.iter_mut().zip(rest) {
        *slot = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16)?,
            None if text.starts_with('-') => text.parse::<i32>()?.cast_unsigned(),
            None => text.parse()?,
        };
    }
    Ok(show(outcome(abi, number(abi, name)?, arguments)?))
}

/// Calls that do something lasting or slow even with -1 for arguments: `sync` of the whole machine.
const SLOW: [(Abi, u32); 3] = [(Abi::Native, 162), (Abi::X32, 162), (Abi::I386, 36)];

fn verdicts() -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for (abi, name, last) in [(Abi::Native, "x86_64", 480), (Abi::I386, "i386", 480), (Abi::X32, "x32", 560)] {
        for number in (0..last).filter(|n| !SLOW.contains(&(abi, *n))) {
            let mut said = outcome(abi, number, [u32::MAX; 6])?;
            if said == Outcome::Waits {
                // Perhaps the machine is only busy.
                said = sys::trial::call(abi, number, [u32::MAX; 6], Duration::from_millis(900))?;
            }
            lines.push(format!("{name} {number} {}", show(said)));
        }
    }
    Ok(lines.join("\n"))
}

fn status(key: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("no {key}"))?.trim().to_owned())
}

fn sched() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let behind = text.rsplit_once(") ").context("no name")?.1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    // proc_pid_stat(5) counts from 1, and the third is the first here.
    let field = |n: usize| fields.get(n - 3).copied().unwrap_or("?");
    let policy = match field(41) {
        "0" => "OTHER",
        "1" => "FIFO",
        "2" => "RR",
        "3" => "BATCH",
        "5" => "IDLE",
        "6" => "DEADLINE",
        other => other,
    };
    Ok(format!("{policy} nice {} rt {}", field(19), field(40)))
}

fn ioprio() -> anyhow::Result<String> {
    match outcome(Abi::Native, number(Abi::Native, "ioprio_get")?, [1, 0, 0, 0, 0, 0])? {
        Outcome::Returned(n) if n >= 0 => {
            let class = match n >> 13 {
                0 => "NONE",
                1 => "RT",
                2 => "BE",
                3 => "IDLE",
                _ => "?",
            };
            Ok(format!("{class} {}", n & 7))
        }
        other => Ok(show(other)),
    }
}

fn fds() -> Vec<String> {
    let link = |n: u32| Some((n, fs::read_link(format!("/proc/self/fd/{n}")).ok()?));
    (3..2048).filter_map(link).map(|(n, to)| format!("{n} {}", to.display())).collect()
}

fn watch(stop: &Path) -> String {
    let mut seen = std::collections::BTreeSet::new();
    // A program that runs cannot be written, but a descriptor of it lasts.
    let mut programs = std::collections::BTreeMap::new();
    let mut note = |what: &str, path: &Path| {
        if let Ok(to) = fs::read_link(path) {
            if what == "exe"
                && !programs.contains_key(&to)
                && let Ok(file) = fs::File::open(path)
            {
                programs.insert(to.clone(), file);
            }
            seen.insert(format!("{what} {}", to.display()));
        }
    };
    while !stop.exists() {
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = process.file_name().to_string_lossy().into_owned();
            if !name.starts_with(|c: char| c.is_ascii_digit()) || name == std::process::id().to_string() {
                continue;
            }
            for what in ["exe", "cwd", "root"] {
                note(what, &process.path().join(what));
            }
            for fd in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
                note("fd", &fd.path());
            }
        }
    }
    for (name, file) in programs {
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        if fs::OpenOptions::new().append(true).open(again).is_ok() {
            seen.insert(format!("writable {}", name.display()));
        }
    }
    seen.into_iter().collect::<Vec<_>>().join("\n")
}

fn agent(socket: &str) -> anyhow::Result<String> {
    let (text, fd) = received(socket)?;
    drop(fd.context("no descriptor")?);
    Ok(text)
}

#[expect(clippy::print_stdout, reason = "a command")]
fn console(socket: &str) -> anyhow::Result<String> {
    let (name, fd) = received(socket)?;
    println!("{}", if name.is_empty() { "no name" } else { "terminal" });
    let mut file = fs::File::from(fd.context("no descriptor")?);
    let mut buffer = [0; 4096];
    // The end of the last process shows as EIO.
    while let Ok(n @ 1..) = file.read(&mut buffer) {
        std::io::stdout().write_all(&buffer[..n])?;
    }
    Ok(String::new())
}

fn received(socket: &str) -> anyhow::Result<(String, Option<OwnedFd>)> {
    let listener = UnixListener::bind(socket)?;
    let (stream, _) = listener.accept()?;
    let mut text = Vec::new();
    let mut found = None;
    loop {
        let mut buffer = vec![0; 65536];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut pieces = [std::io::IoSliceMut::new(&mut buffer)];
        let n = rustix::net::recvmsg(&stream, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut fds) = message {
                found = found.or(fds.next());
            }
        }
        if n == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..n]);
        if text.len() > 1 << 20 {
            bail!("too much");
        }
        if found.is_some() && (!text.starts_with(b"{") || text.ends_with(b"}") || text.ends_with(b"}\n")) {
            break;
        }
    }
    Ok((String::from_utf8_lossy(&text).trim().to_owned(), found))
}

fn read(path: &str) -> Value {
    match fs::read_to_string(path) {
        Ok(text) => Value::from(text.trim_end()),
        Err(error) => Value::from(format!("{}", error.kind())),
    }
}

/// Devices, links and directories of `/dev` with mode and owner.
fn devices(dir: &Path, found: &mut Map<String, Value>) {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let link = fs::read_link(entry.path()).map(|to| to.display().to_string()).unwrap_or_default();
        let text = format!("{:o} {}:{} {:#x} {link}", meta.mode(), meta.uid(), meta.gid(), meta.rdev());
        found.insert(entry.path().display().to_string(), Value::from(text.trim_end()));
        if meta.is_dir() && !entry.path().starts_with("/dev/mqueue") {
            devices(&entry.path(), found);
        }
    }
}

fn facts() -> anyhow::Result<String> {
    let mut all = Map::new();
    for key in [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "Cpus_allowed_list",
        "Mems_allowed_list",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "Umask",
        "Speculation_Store_Bypass",
        "THP_enabled",
        "NSpid",
    ] {
        all.insert(key.to_owned(), Value::from(status(key).unwrap_or_default()));
    }
    for path in [
        "/proc/self/uid_map",
        "/proc/self/gid_map",
        "/proc/self/setgroups",
        "/proc/self/limits",
        "/proc/self/cgroup",
        "/proc/self/oom_score_adj",
        "/proc/self/personality",
        "/proc/self/loginuid",
        "/proc/sys/kernel/hostname",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/kernel/keys/root_maxkeys",
        "/proc/self/timens_offsets",
        "/proc/self/coredump_filter",
        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/self/attr/current",
    ] {
        all.insert(path.to_owned(), read(path));
    }
    // Masked: what can be read of them, and whether they can be listed.
    for path in [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/sys/kernel/debug",
        "/sys/fs/cgroup",
    ] {
        let listed = fs::read_dir(path).map(|entries| entries.count().to_string()).map_err(|e| e.kind().to_string());
        let mut start = [0; 16];
        let bytes = fs::File::open(path).and_then(|mut f| f.read(&mut start));
        let bytes = bytes.map(|n| n.min(1).to_string()).map_err(|e| e.kind().to_string());
        let written = fs::OpenOptions::new().append(true).open(path).map(|_| ()).map_err(|e| e.kind().to_string());
        all.insert(format!("look {path}"), json!(format!("{listed:?} {bytes:?} {written:?}")));
    }
    let table = mounts()?;
    let shown = table.iter().map(|m| {
        json!(format!("{} [{}] {} {} {} {}", m.target, m.root, m.options, m.propagation, m.kind, m.file_system))
    });
    all.insert("mounts".to_owned(), shown.collect());
    let mut names = Map::new();
    devices(Path::new("/dev"), &mut names);
    all.insert("devices".to_owned(), Value::Object(names));
    all.insert("fds".to_owned(), fds().into());
    all.insert("sched".to_owned(), sched()?.into());
    all.insert("ioprio".to_owned(), ioprio()?.into());
    let mut env: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
    env.sort();
    all.insert("env".to_owned(), env.into());
    all.insert("cwd".to_owned(), std::env::current_dir()?.display().to_string().into());
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).map(|l| l.display().to_string()).unwrap_or_default();
        all.insert(format!("ns {kind}"), link.into());
    }
    Ok(serde_json::to_string_pretty(&Value::Object(all))?)
}
