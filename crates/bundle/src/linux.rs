//! Namespaces, devices, masked and read-only paths, kernel parameters.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci::runtime::{Device, DeviceRule, DeviceRuleType, Namespace, NamespaceType};
use spec::HostConfig;

use crate::{BundleError, BundleInput};

/// An empty `rootfsPropagation` is the runtime's own default, private.
pub(crate) const NO_PROPAGATION_MEANS_PRIVATE: bool = true;

/// Paths that show or change the host, hidden from containers (moby's `oci/defaults.go`).
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Character devices that every container may use, `(major, minor)`: null, zero, full, random, urandom, tty, console,
/// ptmx, all pseudo terminals, and tun (as runc; using it still takes CAP_NET_ADMIN).
const ALLOWED_DEVICES: &[(i64, Option<i64>)] = &[
    (1, Some(5)),
    (1, Some(3)),
    (1, Some(9)),
    (1, Some(8)),
    (5, Some(0)),
    (5, Some(1)),
    (1, Some(7)),
    (5, Some(2)),
    (136, None),
    (10, Some(200)),
];

pub(crate) fn hidden_paths(host: &HostConfig) -> (Vec<String>, Vec<String>) {
    let open = host.privileged;
    let owned = |list: &[&str]| if open { Vec::new() } else { list.iter().map(|p| (*p).to_owned()).collect() };
    (
        host.masked_paths.clone().unwrap_or_else(|| owned(MASKED)),
        host.readonly_paths.clone().unwrap_or_else(|| owned(READONLY)),
    )
}

pub(crate) fn shares_uts(host: &HostConfig) -> bool {
    host.uts_mode == "host"
}

pub(crate) fn namespaces(input: &BundleInput<'_>) -> Vec<Namespace> {
    let host = &input.spec.host;
    let mut out = Vec::new();
    let mut add = |kind: NamespaceType, path: Option<&PathBuf>| {
        let path = path.map(|p| p.display().to_string()).unwrap_or_default();
        out.push(Namespace { r#type: kind, path });
    };
    add(NamespaceType::Mount, None);
    if let Some(path) = &input.joins.network {
        add(NamespaceType::Network, Some(path));
    }
    if !shares_uts(host) {
        add(NamespaceType::Uts, None);
    }
    if host.pid_mode != "host" {
        add(NamespaceType::Pid, input.joins.pid.as_ref());
    }
    if host.ipc_mode != "host" {
        add(NamespaceType::Ipc, input.joins.ipc.as_ref());
    }
    let private_cgroup = match host.cgroupns_mode.as_str() {
        "private" => true,
        "host" => false,
        _ => input.host.cgroup_v2 && !host.privileged,
    };
    if private_cgroup {
        add(NamespaceType::Cgroup, None);
    }
    out
}

/// Device nodes to make, and the rules of the device cgroup.
/// Devices asked for by what they can do (`--gpus`) need a driver, and there is none.
pub(crate) fn no_device_drivers(host: &HostConfig) -> Result<(), BundleError> {
    let Some(request) = host.device_requests.iter().flatten().next() else { return Ok(()) };
    let sets = request.capabilities.iter().flatten().map(|set| format!("[{}]", set.join(" ")));
    let capabilities = format!("[{}]", sets.collect::<Vec<_>>().join(" "));
    Err(BundleError::NoDeviceDriver { driver: request.driver.clone(), capabilities })
}

pub(crate) fn devices(input: &BundleInput<'_>) -> Result<(Vec<Device>, Vec<DeviceRule>), BundleError> {
    let host = &input.spec.host;
    let nodes = input.devices.iter().map(|d| Device {
        r#type: if d.kind == DeviceRuleType::Block { "b" } else { "c" }.to_owned(),
        path: d.path.clone(),
        major: d.major,
        minor: d.minor,
        file_mode: Some(d.mode),
        uid: Some(d.uid),
        gid: Some(d.gid),
    });
    let nodes = nodes.collect();
    let rule = |allow, kind, major, minor, access: &str| DeviceRule {
        allow,
        r#type: kind,
        major,
        minor,
        access: access.to_owned(),
    };
    if host.privileged {
        return Ok((nodes, vec![rule(true, None, None, None, "rwm")]));
    }
    let mut rules = vec![rule(false, None, None, None, "rwm")];
    // Nodes of any device may be made (mknod is a default capability); using them is what is guarded.
    rules.push(rule(true, Some(DeviceRuleType::Char), None, None, "m"));
    rules.push(rule(true, Some(DeviceRuleType::Block), None, None, "m"));
    for (major, minor) in ALLOWED_DEVICES {
        rules.push(rule(true, Some(DeviceRuleType::Char), Some(*major), *minor, "rwm"));
    }
    for d in &input.devices {
        rules.push(rule(true, Some(d.kind), Some(d.major), Some(d.minor), &d.access));
    }
    for text in host.device_cgroup_rules.iter().flatten() {
        rules.push(device_rule(text)?);
    }
    Ok((nodes, rules))
}

/// `c 1:3 rwm`, `a *:* r`.
fn device_rule(text: &str) -> Result<DeviceRule, BundleError> {
    let invalid = || BundleError::DeviceRule(text.to_owned());
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else { return Err(invalid()) };
    let kind = match kind {
        "a" => Some(DeviceRuleType::All),
        "b" => Some(DeviceRuleType::Block),
        "c" => Some(DeviceRuleType::Char),
        _ => return Err(invalid()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    let number = |n: &str| match n {
        "*" => Ok(Some(-1)),
        n => n.parse::<u32>().map(|n| Some(i64::from(n))).map_err(|_| invalid()),
    };
    if access.is_empty() || access.len() > 3 || !access.bytes().all(|b| b"rwm".contains(&b)) {
        return Err(invalid());
    }
    Ok(DeviceRule {
        allow: true,
        r#type: kind,
        major: number(major)?,
        minor: number(minor)?,
        access: access.to_owned(),
    })
}

/// Kernel parameters: the declared ones, and two that make common things work without capabilities.
pub(crate) fn sysctls(input: &BundleInput<'_>) -> Result<BTreeMap<String, String>, BundleError> {
    let host = &input.spec.host;
    let mut out = BTreeMap::new();
    let own_network = host.network_mode != "host" && !host.network_mode.starts_with("container:");
    if own_network {
        out.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        out.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
    }
    if !shares_uts(host) && !input.spec.config.domainname.is_empty() {
        out.insert("kernel.domainname".to_owned(), input.spec.config.domainname.clone());
    }
    for (name, value) in host.sysctls.iter().flatten() {
        check_sysctl(name, value, host)?;
        out.insert(name.clone(), value.clone());
    }
    Ok(out)
}

/// Parameters of the IPC namespace; all of `fs.mqueue` are too.
const IPC_SYSCTLS: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// A parameter that is not a namespace's own is the host's, and is refused: the list is what the kernel has per
/// namespace (namespaces(7)).
fn check_sysctl(name: &str, value: &str, host: &HostConfig) -> Result<(), BundleError> {
    let invalid = || BundleError::Sysctl(name.to_owned());
    // As sysctl(8): what separates is the first of the two separators; the other then stands for a dot in a name.
    let slashes = name.find(['.', '/']).is_some_and(|at| name[at..].starts_with('/'));
    let swapped = |c: char| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    let path: String = if slashes { name.to_owned() } else { name.chars().map(swapped).collect() };
    let good =
        |part: &str| !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(|b| b.is_ascii_graphic());
    if !path.split('/').all(good) || value.contains('\0') {
        return Err(invalid());
    }
    let dotted: String = if slashes { name.chars().map(swapped).collect() } else { name.to_owned() };
    if IPC_SYSCTLS.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
        return if host.ipc_mode == "host" { Err(BundleError::SysctlHostIpc(dotted)) } else { Ok(()) };
    }
    if dotted.starts_with("net.") {
        return if host.network_mode == "host" { Err(BundleError::SysctlHostNetwork(dotted)) } else { Ok(()) };
    }
    match dotted.as_str() {
        "kernel.domainname" if !shares_uts(host) => Ok(()),
        "kernel.hostname" if !shares_uts(host) => Err(BundleError::SysctlHostname(dotted)),
        _ => Err(BundleError::SysctlGlobal(dotted)),
    }
}
