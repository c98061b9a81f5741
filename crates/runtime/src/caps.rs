//! Capabilities by name.

use rustix::thread::CapabilitySet;

/// Names by number (linux/capability.h).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// All names, without `CAP_`, by number.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// A set out of names; those that nobody knows are left out (as runc does, with a warning).
pub(crate) fn set(names: &[String]) -> CapabilitySet {
    let bits = names
        .iter()
        .filter_map(|name| {
            let plain = name.strip_prefix("CAP_").unwrap_or(name);
            NAMES.iter().position(|known| known.eq_ignore_ascii_case(plain))
        })
        .fold(0_u64, |bits, number| bits | 1 << number);
    CapabilitySet::from_bits_retain(bits)
}

/// All single capabilities up to the highest that a kernel could know.
pub(crate) fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..64_u32).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names = |list: &[&str]| list.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(set(&names(&["CAP_CHOWN", "CAP_KILL", "CAP_NONSENSE"])), CapabilitySet::CHOWN | CapabilitySet::KILL);
        assert_eq!(set(&names(&["CAP_CHECKPOINT_RESTORE"])).bits(), 1 << 40);
        let docker = [
            "CHOWN",
            "DAC_OVERRIDE",
            "FSETID",
            "FOWNER",
            "MKNOD",
            "NET_RAW",
            "SETGID",
            "SETUID",
            "SETFCAP",
            "SETPCAP",
            "NET_BIND_SERVICE",
            "SYS_CHROOT",
            "KILL",
            "AUDIT_WRITE",
        ];
        assert_eq!(set(&names(&docker)).bits(), 0xa804_25fb);
    }
}
