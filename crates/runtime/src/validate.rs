//! Specs that would reach beyond the container, or contradict themselves, refused before anything is made; in runc's
//! words, because engines show them.

use std::collections::HashSet;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;

use oci::runtime::{IntelRdt, Linux, Mount, NamespaceType, Process, Spec};
use shim_proto::Step;

use crate::failure::{Failure, Result, quoted};
use crate::options::Options;
use crate::rdt;

/// Parameters that belong to an IPC namespace.
const IPC_PARAMETERS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

fn refused(text: impl Into<String>) -> Failure {
    Failure::plain(Step::Plan, text)
}

/// The namespaces of a spec.
#[derive(Debug)]
struct Spaces<'a> {
    linux: &'a Linux,
    netns: Option<&'a Path>,
}

impl Spaces<'_> {
    fn has(&self, kind: NamespaceType) -> bool {
        (kind == NamespaceType::Network && self.netns.is_some())
            || self.linux.namespaces.iter().any(|n| n.r#type == kind)
    }

    fn path(&self, kind: NamespaceType) -> &str {
        let found = self.linux.namespaces.iter().find(|n| n.r#type == kind);
        found.map(|n| n.path.as_str()).unwrap_or_default()
    }

    /// Whether the network is the one that this process is in.
    fn host_network(&self) -> Result<bool> {
        if self.netns.is_some() {
            return Ok(false);
        }
        let path = self.path(NamespaceType::Network);
        if path.is_empty() {
            return Ok(!self.has(NamespaceType::Network));
        }
        let id = |path: &str| {
            let failed = |e: std::io::Error| refused(format!("invalid netns path: {path}: {e}")).at(path);
            std::fs::metadata(path).map(|m| (m.st_dev(), m.st_ino())).map_err(failed)
        };
        Ok(id(path)? == id("/proc/self/ns/net")?)
    }
}

/// Checks a spec as a whole. `netns` replaces its network namespace.
pub(crate) fn spec(spec: &Spec, netns: Option<&Path>) -> Result<()> {
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    let spaces = Spaces { linux, netns };
    net_devices(&spaces)?;
    names(spec, &spaces)?;
    namespaces(&spaces)?;
    for name in linux.sysctl.keys() {
        sysctl(name, &spaces)?;
    }
    if let Some(wanted) = &linux.intel_rdt {
        class_of_service(wanted)?;
        rdt::check(wanted, rdt::root()).map_err(refused)?;
    }
    let propagation = linux.rootfs_propagation.as_str();
    if !propagation.is_empty() && crate::options::propagation_named(propagation).is_none() {
        return Err(refused(format!("rootfsPropagation={propagation} is not supported")));
    }
    spec.mounts.iter().try_for_each(mount)?;
    if let Some(process) = &spec.process {
        labels(process)?;
    }
    spec.process.as_ref().map_or(Ok(()), process)
}

/// Checks what concerns one process, also one that comes later.
pub(crate) fn process(process: &Process) -> Result<()> {
    let Some(scheduler) = &process.scheduler else { return Ok(()) };
    let policy = scheduler.policy.as_str();
    if policy.is_empty() {
        return Err(refused("scheduler policy is required"));
    }
    let nice = scheduler.nice.unwrap_or(0);
    if matches!(policy, "SCHED_OTHER" | "SCHED_BATCH") && !(-20..=19).contains(&nice) {
        return Err(refused(format!("invalid scheduler.nice: {nice} when scheduler.policy is {policy}")));
    }
    if scheduler.priority.unwrap_or(0) != 0 && !matches!(policy, "SCHED_FIFO" | "SCHED_RR") {
        return Err(refused("scheduler.priority can only be specified for SchedFIFO or SchedRR policy"));
    }
    let timing = [scheduler.runtime, scheduler.deadline, scheduler.period];
    if policy != "SCHED_DEADLINE" && timing.iter().any(|t| t.unwrap_or(0) != 0) {
        return Err(refused("scheduler runtime/deadline/period can only be specified for SchedDeadline policy"));
    }
    Ok(())
}

/// Labels that this kernel would not enforce.
fn labels(process: &Process) -> Result<()> {
    let apparmor = || std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
    if !process.apparmor_profile.is_empty() && !apparmor() {
        return Err(refused("apparmor: config provided but apparmor not supported"));
    }
    if !process.selinux_label.is_empty() && !Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(refused("selinux label is specified in config, but selinux is disabled or not supported"));
    }
    Ok(())
}

fn names(spec: &Spec, spaces: &Spaces<'_>) -> Result<()> {
    let own = spaces.has(NamespaceType::Uts);
    for (what, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        if !name.is_empty() && !own {
            return Err(refused(format!("unable to set {what} without a private UTS namespace")));
        }
    }
    Ok(())
}

fn namespaces(spaces: &Spaces<'_>) -> Result<()> {
    let linux = spaces.linux;
    let mut seen = HashSet::new();
    for namespace in &linux.namespaces {
        if !seen.insert(namespace.r#type) {
            let kind = format!("{:?}", namespace.r#type).to_lowercase();
            return Err(refused(format!("malformed spec file: duplicated ns {}", quoted(&kind))));
        }
    }
    let mapped = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
    match (spaces.has(NamespaceType::User), mapped) {
        (false, true) => {
            return Err(refused("user namespace mappings specified, but user namespace isn't enabled in the config"));
        }
        (true, false) if spaces.path(NamespaceType::User).is_empty() => {
            return Err(refused(
                "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
            ));
        }
        (true, true) if !spaces.path(NamespaceType::User).is_empty() => {
            return Err(refused(
                "user namespaces enabled, but both namespace path and mapping specified -- you may only provide one",
            ));
        }
        _ => {}
    }
    if linux.time_offsets.is_empty() {
        return Ok(());
    }
    if !spaces.has(NamespaceType::Time) {
        return Err(refused("time namespace offsets specified, but time namespace isn't enabled in the config"));
    }
    if !spaces.path(NamespaceType::Time).is_empty() {
        return Err(refused(
            "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
        ));
    }
    match linux.time_offsets.keys().find(|clock| !matches!(clock.as_str(), "monotonic" | "boottime")) {
        Some(clock) => Err(refused(format!("invalid clock for time offsets: {}", quoted(clock)))),
        None => Ok(()),
    }
}

/// A parameter's name with dots between its parts: whichever of `.` and `/` comes first separates, the other stands for
/// it inside of a part (sysctl.d(5)).
pub(crate) fn dotted(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes().get(at) == Some(&b'/') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// Kernel parameters are the host's unless a namespace of the container's has them.
fn sysctl(name: &str, spaces: &Spaces<'_>) -> Result<()> {
    let name = dotted(name);
    let shown = quoted(&name);
    // A slash stands for a dot inside of a part: none of them may lead up.
    if name.split('.').any(|part| part.is_empty() || part.bytes().all(|b| b == b'/')) {
        return Err(refused(format!("sysctl {shown} is not the name of a kernel parameter")));
    }
    if IPC_PARAMETERS.contains(&name.as_str()) || name.starts_with("fs.mqueue.") {
        if spaces.has(NamespaceType::Ipc) {
            return Ok(());
        }
        return Err(refused(format!("sysctl {shown} is not allowed in the hosts ipc namespace")));
    }
    if name.starts_with("net.") {
        if spaces.host_network()? {
            return Err(refused(format!("sysctl {shown} not allowed in host network namespace")));
        }
        return Ok(());
    }
    if spaces.has(NamespaceType::Uts) {
        match name.as_str() {
            "kernel.domainname" => return Ok(()),
            "kernel.hostname" => {
                let text = format!("sysctl {shown} is not allowed as it conflicts with the OCI \"hostname\" field");
                return Err(refused(text));
            }
            _ => {}
        }
    }
    if name.starts_with("user.") {
        if spaces.has(NamespaceType::User) {
            return Ok(());
        }
        return Err(refused(format!("setting ucounts without a user namespace not allowed: {name}")));
    }
    Err(refused(format!("sysctl {shown} is not in a separate kernel namespace")))
}

fn net_devices(spaces: &Spaces<'_>) -> Result<()> {
    if spaces.linux.net_devices.is_empty() {
        return Ok(());
    }
    if !spaces.has(NamespaceType::Network) {
        return Err(refused("unable to move network devices without a NET namespace"));
    }
    let valid = |name: &str| {
        !name.is_empty() && name.len() < 16 && !matches!(name, "." | "..") && !name.contains(['/', ':', ' ', '\0'])
    };
    for (name, device) in &spaces.linux.net_devices {
        let new = Some(&device.name).filter(|new| !new.is_empty());
        if let Some(bad) = std::iter::once(name).chain(new).find(|name| !valid(name)) {
            return Err(refused(format!("invalid network device name {}", quoted(bad))));
        }
    }
    Ok(())
}

fn class_of_service(rdt: &IntelRdt) -> Result<()> {
    let class = rdt.clos_id.as_str();
    if matches!(class, "." | "..") || (class.len() > 1 && class.contains('/')) {
        return Err(refused(format!("invalid intelRdt.ClosID {}", quoted(class))));
    }
    Ok(())
}

fn mount(mount: &Mount) -> Result<()> {
    if mount.destination.is_empty() {
        return Err(refused(format!("invalid mount {}: empty destination", quoted(&mount.source))));
    }
    if mount.uid_mappings.is_empty() != mount.gid_mappings.is_empty() {
        let text = "id-mapped mounts must have both uid and gid mappings specified";
        return Err(refused(format!("invalid mount {}: {text}", quoted(&mount.destination))).at(&mount.destination));
    }
    let mapped = !mount.uid_mappings.is_empty();
    if !mapped && !mount.options.iter().any(|o| o == "idmap" || o == "ridmap") {
        return Ok(());
    }
    if mount.r#type != "bind" && !Options::parse(&mount.options).bind {
        let text = "id-mapped mounts are only supported for bind-mounts";
        return Err(refused(format!("invalid mount {}: {text}", quoted(&mount.destination))).at(&mount.destination));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a spec that consists of this JSON.
    #[track_caller]
    fn check(json: &str, netns: Option<&str>, wanted: Option<&str>) {
        let parsed: Spec = serde_json::from_str(json).unwrap();
        let got = spec(&parsed, netns.map(Path::new)).map_err(|failure| failure.text).err();
        assert_eq!(got.as_deref(), wanted, "{json}");
    }

    fn linux(part: &str) -> String {
        format!(r#"{{"ociVersion":"1.0.0","linux":{{{part}}}}}"#)
    }

    #[test]
    fn sysctls_need_a_namespace_of_their_own() {
        let with = |name: &str, spaces: &str| linux(&format!(r#""sysctl":{{"{name}":"1"}},"namespaces":[{spaces}]"#));
        check(&with("net.ipv4.ip_forward", r#"{"type":"network"}"#), None, None);
        check(&with("net/ipv4/conf/a.b/x", r#"{"type":"network"}"#), None, None);
        check(&with("net.ipv4.ip_forward", ""), Some("/x"), None);
        let host = "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace";
        check(&with("net.ipv4.ip_forward", ""), None, Some(host));
        check(&with("net.ipv4.ip_forward", r#"{"type":"network","path":"/proc/self/ns/net"}"#), None, Some(host));
        check(&with("kernel.shmmax", r#"{"type":"ipc"}"#), None, None);
        check(
            &with("kernel.shmmax", ""),
            None,
            Some("sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace"),
        );
        check(
            &with("kernel.core_pattern", r#"{"type":"uts"},{"type":"ipc"}"#),
            None,
            Some("sysctl \"kernel.core_pattern\" is not in a separate kernel namespace"),
        );
        for up in ["net/../kernel/core_pattern", "net.//.kernel.core_pattern", "net..x", "net."] {
            let text = format!("sysctl \"{}\" is not the name of a kernel parameter", dotted(up));
            check(&with(up, r#"{"type":"network"}"#), None, Some(&text));
        }
        check(&with("kernel.domainname", r#"{"type":"uts"}"#), None, None);
        check(
            &with("kernel/hostname", r#"{"type":"uts"}"#),
            None,
            Some("sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field"),
        );
        check(
            &with("user.max_user_namespaces", ""),
            None,
            Some("setting ucounts without a user namespace not allowed: user.max_user_namespaces"),
        );
    }

    #[test]
    fn names_of_the_host_stay() {
        check(
            r#"{"ociVersion":"1.0.0","hostname":"x"}"#,
            None,
            Some("unable to set hostname without a private UTS namespace"),
        );
        check(
            r#"{"ociVersion":"1.0.0","domainname":"x","linux":{"namespaces":[{"type":"ipc"}]}}"#,
            None,
            Some("unable to set domainname without a private UTS namespace"),
        );
        check(r#"{"ociVersion":"1.0.0","hostname":"x","linux":{"namespaces":[{"type":"uts"}]}}"#, None, None);
    }

    #[test]
    fn namespaces_and_what_belongs_to_them() {
        let map = r#""uidMappings":[{"containerID":0,"hostID":1,"size":1}]"#;
        check(
            &linux(map),
            None,
            Some("user namespace mappings specified, but user namespace isn't enabled in the config"),
        );
        check(
            &linux(r#""namespaces":[{"type":"user"}]"#),
            None,
            Some("user namespaces enabled, but no namespace path to join nor mappings to apply specified"),
        );
        check(&linux(&format!(r#"{map},"namespaces":[{{"type":"user"}}]"#)), None, None);
        check(
            &linux(r#""timeOffsets":{"monotonic":{"secs":1}}"#),
            None,
            Some("time namespace offsets specified, but time namespace isn't enabled in the config"),
        );
        check(
            &linux(r#""timeOffsets":{"realtime":{"secs":1}},"namespaces":[{"type":"time"}]"#),
            None,
            Some("invalid clock for time offsets: \"realtime\""),
        );
        check(
            &linux(r#""namespaces":[{"type":"pid"},{"type":"pid"}]"#),
            None,
            Some("malformed spec file: duplicated ns \"pid\""),
        );
        check(
            &linux(r#""netDevices":{"a/b":{}},"namespaces":[{"type":"network"}]"#),
            None,
            Some("invalid network device name \"a/b\""),
        );
        check(
            &linux(r#""netDevices":{"eth0":{}}"#),
            None,
            Some("unable to move network devices without a NET namespace"),
        );
        check(&linux(r#""netDevices":{"eth0":{}},"namespaces":[{"type":"network"}]"#), None, None);
    }

    #[test]
    fn schedulers() {
        let with = |scheduler: &str| {
            format!(
                r#"{{"ociVersion":"1.0.0","process":{{"user":{{"uid":0,"gid":0}},"cwd":"/","scheduler":{scheduler}}}}}"#
            )
        };
        check(&with(r#"{"policy":"SCHED_BATCH","nice":5}"#), None, None);
        check(
            &with(r#"{"policy":"SCHED_OTHER","nice":30}"#),
            None,
            Some("invalid scheduler.nice: 30 when scheduler.policy is SCHED_OTHER"),
        );
        check(
            &with(r#"{"policy":"SCHED_OTHER","priority":3}"#),
            None,
            Some("scheduler.priority can only be specified for SchedFIFO or SchedRR policy"),
        );
        check(
            &with(r#"{"policy":"SCHED_FIFO","period":3}"#),
            None,
            Some("scheduler runtime/deadline/period can only be specified for SchedDeadline policy"),
        );
    }
}
