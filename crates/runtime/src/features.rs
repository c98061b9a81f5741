//! What the runtime knows, by the names of the specification.

use crate::{caps, options};

/// Options of mounts that are understood rather than handed to the file system, sorted.
#[must_use]
pub fn mount_options() -> Vec<&'static str> {
    const ALL: [&str; 59] = [
        "async",
        "atime",
        "bind",
        "defaults",
        "dev",
        "diratime",
        "exec",
        "idmap",
        "iversion",
        "loud",
        "mand",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "noiversion",
        "nolazytime",
        "nomand",
        "norelatime",
        "nostrictatime",
        "nosuid",
        "nosymfollow",
        "private",
        "ratime",
        "rbind",
        "rdev",
        "rdiratime",
        "relatime",
        "remount",
        "rexec",
        "ridmap",
        "rnoatime",
        "rnodev",
        "rnodiratime",
        "rnoexec",
        "rnorelatime",
        "rnostrictatime",
        "rnosuid",
        "rnosymfollow",
        "ro",
        "rprivate",
        "rrelatime",
        "rro",
        "rrw",
        "rshared",
        "rslave",
        "rstrictatime",
        "rsuid",
        "rsymfollow",
        "runbindable",
        "rw",
        "shared",
        "silent",
        "slave",
        "strictatime",
        "suid",
        "symfollow",
        "tmpcopyup",
        "unbindable",
    ];
    // What the parser would take for an option of the file system is none of ours.
    let ours = |name: &&str| options::Options::parse(&[(*name).to_owned()]).data.is_empty();
    // Those the kernel takes for any file system.
    let mut all: Vec<&str> = ALL.into_iter().filter(ours).chain(["dirsync", "lazytime", "sync"]).collect();
    all.sort_unstable();
    all
}

/// Modes of `memoryPolicy`, in the kernel's order.
pub const MEMORY_MODES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

/// Flags of `memoryPolicy`.
pub const MEMORY_FLAGS: [&str; 3] = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

/// Capabilities by name.
#[must_use]
pub fn capability_names() -> Vec<String> {
    caps::names().map(|name| format!("CAP_{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(mount_options().contains(&"rro") && mount_options().is_sorted());
        assert_eq!(capability_names().first().map(String::as_str), Some("CAP_CHOWN"));
    }
}
