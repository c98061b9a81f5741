//! The default container of our engine, seen from inside, is Docker's: capabilities, filter, mounts, devices, limits.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::collections::BTreeMap;
use testkit::{CliKind, Engine, EngineKind, EngineOptions, place};

/// Facts whose values belong to one container or one boot, and where they differ for a reason.
const OWN: [&str; 4] = [
    // Names of the engine's own objects.
    "/proc/sys/kernel/hostname",
    "env",
    // Numbers of namespaces; that they are new is a case of the suite.
    "ns ",
    // How many processes stand before it in the machine.
    "NSpid",
];

/// Differences that are known, and why.
const KNOWN: [(&str, &str); 4] = [
    ("mounts / ", "no syncs of the overlay of a container with --rm: nobody sees it again"),
    (
        "mounts /sys ",
        "read-only by the mount, not also by the file system, which others who share the network namespace may have writable",
    ),
    ("mounts /sys/fs/cgroup ", "the directory of the v1 hierarchies is read-only with ours, which is safer"),
    (
        "call x32 135 ",
        "personality(-1): all 64 bits of an argument are compared for x32 too, since all of them reach the kernel; libseccomp \
         compares 32. A program of x32 itself, whose -1 has 32 bits, is let through by both.",
    ),
];

fn see(kind: EngineKind) -> (BTreeMap<String, String>, Vec<String>) {
    let engine = Engine::start_with(&format!("equal-{}", kind.name()), EngineOptions::of(kind)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let probe = engine.machine.dir().join("bin/oci-probe");
    std::fs::copy(env!("CARGO_BIN_EXE_oci-probe"), &probe).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let ask = |what: &str| {
        let script = format!("docker run --rm -v {}:/probe:ro bench-busybox:1 /probe {what}", probe.display());
        engine.run(&cli, &script).unwrap().ok().unwrap().text().to_owned()
    };
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&ask("facts")).unwrap();
    let mut lines = BTreeMap::new();
    for (key, value) in facts {
        if OWN.iter().any(|own| key.starts_with(own)) {
            continue;
        }
        match value {
            serde_json::Value::Array(list) => {
                for one in list {
                    let text = plain(one.as_str().unwrap());
                    let (name, rest) = text.split_once(' ').unwrap_or((&text, ""));
                    lines.insert(format!("{key} {name}"), rest.to_owned());
                }
            }
            serde_json::Value::Object(map) => {
                lines.extend(map.iter().map(|(k, v)| (format!("{key} {k}"), plain(v.as_str().unwrap()))));
            }
            other => drop(lines.insert(key, plain(other.as_str().unwrap()))),
        }
    }
    (lines, ask("verdicts").lines().map(str::to_owned).collect())
}

/// Without what names one container's own files: the source of a bind, the layers of the root.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    if let (Some(start), Some(end)) = (text.find('['), text.find(']')) {
        text.replace_range(start..=end, "[]");
    }
    // Ids of containers.
    let mut at = 0;
    while let Some(id) = text.get(at..at + 64) {
        if id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            text.replace_range(at..at + 64, "ID");
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    let is_layer = |word: &str| {
        ["lowerdir", "upperdir", "workdir", "index", "metacopy", "redirect_dir", "nouserxattr", "uuid", "xino"]
            .iter()
            .any(|name| word.starts_with(name))
    };
    text.split(' ')
        .map(|part| part.split(',').filter(|word| !is_layer(word)).collect::<Vec<_>>().join(","))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn the_default_container_is_dockers() {
    if let Err(missing) = place::peer("docker/usr/sbin/dockerd") {
        eprintln!("skipped: {missing:#}");
        return;
    }
    // What the service files of Docker and containerd give: containers get the soft limit of open files from there. With
    // ours it is 1024 whatever the daemon was given: old programs walk through all numbers up to it.
    let mut files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.current = Some(1024);
    rustix::process::setrlimit(rustix::process::Resource::Nofile, files).unwrap();
    let (ours, our_calls) = see(EngineKind::Gantry);
    let (theirs, their_calls) = see(EngineKind::Docker);
    let mut faults = Vec::new();
    let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let known = |name: String| KNOWN.iter().any(|(key, _)| *key == name);
    for key in keys {
        if known(format!("{key} ")) {
            continue;
        }
        let (our, their) = (ours.get(key), theirs.get(key));
        if our != their {
            faults.push(format!("{key}\n  ours   {our:?}\n  docker {their:?}"));
        }
    }
    assert_eq!(our_calls.len(), their_calls.len());
    assert!(our_calls.len() > 1400, "{} calls", our_calls.len());
    // Returning from a signal that never came ends in one of several signals, by what lies on the stack.
    let verdict = |line: &str| line.split(" signal ").next().unwrap_or_default().to_owned();
    for (our, their) in our_calls.iter().zip(&their_calls) {
        let call = our.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let same = our.contains(" signal ") == their.contains(" signal ") && verdict(our) == verdict(their);
        if !same && !known(format!("call {call} ")) {
            faults.push(format!("call: ours {our}, docker {their}"));
        }
    }
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}
