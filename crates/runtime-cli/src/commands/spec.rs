//! `spec`: a specification to start from.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use oci::runtime::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceType, Process, Resources, Rlimit, Root,
    Spec, VERSION,
};

use crate::Context;
use crate::error::{Error, Result, io};
use crate::parse::Matches;

pub(crate) fn run(_: &Context, matches: &mut Matches) -> Result<i32> {
    let dir = Path::new(matches.value("bundle").filter(|dir| !dir.is_empty()).unwrap_or("."));
    let path = dir.join("config.json");
    if path.exists() {
        return Err(Error::SpecExists { path: "config.json".into() });
    }
    let mut spec = example();
    if matches.flag("rootless") {
        make_rootless(&mut spec);
    }
    let json = |source| Error::Json { what: "config.json".to_owned(), source };
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&spec, &mut serializer).map_err(json)?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o666).open(&path).map_err(io("open", &path))?;
    file.write_all(&out).map_err(io("write", &path))?;
    Ok(0)
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        r#type: kind.to_owned(),
        source: source.to_owned(),
        options: strings(options),
        ..Mount::default()
    }
}

/// A shell without privileges in a read-only root.
fn example() -> Spec {
    let caps = strings(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let space = |kind| Namespace { r#type: kind, path: String::new() };
    use NamespaceType::{Cgroup, Ipc, Mount as Mnt, Network, Pid, Uts};
    let mut namespaces: Vec<Namespace> = [Pid, Network, Ipc, Uts, Mnt].into_iter().map(space).collect();
    if cgroup::Hierarchies::detect().is_ok_and(|found| found.is_v2()) {
        namespaces.push(space(Cgroup));
    }
    let no_device = DeviceRule { allow: false, r#type: None, major: None, minor: None, access: "rwm".to_owned() };
    Spec {
        oci_version: VERSION.to_owned(),
        process: Some(Process {
            terminal: true,
            args: strings(&["sh"]),
            env: strings(&["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
            cwd: "/".to_owned(),
            capabilities: Some(Capabilities {
                bounding: caps.clone(),
                effective: caps.clone(),
                permitted: caps,
                ..Capabilities::default()
            }),
            rlimits: vec![Rlimit { r#type: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
            no_new_privileges: true,
            ..Process::default()
        }),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: "runc".to_owned(),
        mounts: mounts(),
        linux: Some(Linux {
            resources: Some(Resources { devices: vec![no_device], ..Resources::default() }),
            namespaces,
            masked_paths: strings(&[
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ]),
            readonly_paths: strings(&["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn mounts() -> Vec<Mount> {
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

/// What a user without privileges can have: a user namespace with the own ids, the network of the host, no limits.
fn make_rootless(spec: &mut Spec) {
    let own = |id: u32| vec![IdMapping { container_id: 0, host_id: id, size: 1 }];
    spec.mounts.retain(|mount| mount.destination != "/sys/fs/cgroup");
    for mount in &mut spec.mounts {
        // The owner of a terminal is a group that is not mapped.
        mount.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
        if mount.destination == "/sys" {
            *mount = self::mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
    }
    spec.mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]));
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|space| space.r#type != NamespaceType::Network);
        linux.namespaces.push(Namespace { r#type: NamespaceType::User, path: String::new() });
        linux.uid_mappings = own(rustix::process::geteuid().as_raw());
        linux.gid_mappings = own(rustix::process::getegid().as_raw());
        linux.resources = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_can_be_read_again() {
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), example());
    }

    #[test]
    fn rootless() {
        let mut spec = example();
        make_rootless(&mut spec);
        let linux = spec.linux.unwrap();
        assert!(linux.resources.is_none() && linux.uid_mappings.len() == 1);
        assert!(linux.namespaces.iter().any(|space| space.r#type == NamespaceType::User));
        assert!(!linux.namespaces.iter().any(|space| space.r#type == NamespaceType::Network));
        assert!(!spec.mounts.iter().flat_map(|mount| &mount.options).any(|option| option.starts_with("gid=")));
    }
}
