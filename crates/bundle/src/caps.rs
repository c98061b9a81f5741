//! Capabilities: Docker's default set, and what `--cap-add`, `--cap-drop` and `--privileged` make of it.

use spec::HostConfig;

use crate::BundleError;

/// All capabilities of Linux 6.18 (capabilities(7)), in the kernel's order.
const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What every container has by default.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// All of them, for `--privileged`.
pub(crate) fn all() -> Vec<String> {
    ALL.iter().map(|c| (*c).to_owned()).collect()
}

/// The capabilities of a container.
pub(crate) fn effective(host: &HostConfig) -> Result<Vec<String>, BundleError> {
    if host.privileged {
        return Ok(all());
    }
    let add = normalize("CapAdd", host.cap_add.as_deref().unwrap_or_default())?;
    let drop = normalize("CapDrop", host.cap_drop.as_deref().unwrap_or_default())?;
    let has_all = |list: &[String]| list.iter().any(|c| c == "ALL");
    let dropped = |cap: &str| drop.iter().any(|d| d == cap);
    let start: Vec<String> = match (has_all(&add), has_all(&drop)) {
        (true, _) => all().into_iter().filter(|c| !dropped(c)).collect(),
        (false, true) => Vec::new(),
        (false, false) => DEFAULT.iter().filter(|c| !dropped(c)).map(|c| (*c).to_owned()).collect(),
    };
    let mut caps = start;
    if !has_all(&add) {
        for cap in add {
            if !caps.contains(&cap) {
                caps.push(cap);
            }
        }
    }
    Ok(caps)
}

fn normalize(list: &'static str, names: &[String]) -> Result<Vec<String>, BundleError> {
    names
        .iter()
        .map(|name| {
            let upper = name.trim().to_ascii_uppercase();
            if upper == "ALL" {
                return Ok(upper);
            }
            let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
            let known = ALL.contains(&full.as_str());
            if known { Ok(full) } else { Err(BundleError::UnknownCapability { list, name: full }) }
        })
        .collect()
}
