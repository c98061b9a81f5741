//! Mounts, in the order in which they must be made: the kernel's file systems, then what the user wants, parents first.

use oci::runtime::Mount as OciMount;
use spec::MountType;

use crate::{BundleError, BundleInput, ReadOnlyRecursive, linux};

/// Options of every tmpfs of the user's, unless they say otherwise.
const TMPFS: [&str; 4] = ["noexec", "nosuid", "nodev", "rprivate"];

/// File systems that the kernel gives to every container.
fn defaults() -> Vec<OciMount> {
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ]
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> OciMount {
    OciMount {
        destination: destination.to_owned(),
        r#type: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        ..OciMount::default()
    }
}

pub(crate) fn all(input: &BundleInput<'_>) -> Result<Vec<OciMount>, BundleError> {
    let host = &input.spec.host;
    let mut user = binds(input)?;
    user.extend(tmpfs(input)?);
    files(input, &mut user);
    // Parents before children, whatever the order of declaration.
    user.sort_by_key(|m| m.destination.split('/').filter(|p| !p.is_empty()).count());
    let mounted = |destination: &str| user.iter().any(|m| m.destination.trim_end_matches('/') == destination);
    // A `/dev` of the user's comes with all that is in it.
    let own_dev = mounted("/dev");
    let replaced = |destination: &str| mounted(destination) || own_dev && destination.starts_with("/dev/");
    let mut out: Vec<OciMount> = defaults().into_iter().filter(|m| !replaced(&m.destination)).collect();
    if host.privileged {
        for m in &mut out {
            if matches!(m.r#type.as_str(), "sysfs" | "cgroup") {
                m.options.retain(|o| o != "ro");
            }
        }
    }
    if !replaced("/dev/shm") && host.ipc_mode != "none" {
        out.push(shm(input)?);
    }
    out.extend(user);
    Ok(out)
}

fn shm(input: &BundleInput<'_>) -> Result<OciMount, BundleError> {
    let host = &input.spec.host;
    if host.shm_size < 0 {
        return Err(BundleError::ShmSize);
    }
    if host.ipc_mode == "host" {
        return Ok(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "rprivate"]));
    }
    if let Some(pid_shm) = &input.joins.ipc {
        // `/proc/<pid>/ns/ipc` → that process' `/dev/shm`.
        let root = pid_shm.parent().and_then(|ns| ns.parent()).map(|p| p.join("root/dev/shm"));
        let source = root.map(|p| p.display().to_string()).unwrap_or_default();
        return Ok(mount("/dev/shm", "bind", &source, &["rbind", "rprivate"]));
    }
    let size = format!("size={}", if host.shm_size == 0 { 64 << 20 } else { host.shm_size });
    Ok(mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &size]))
}

fn binds(input: &BundleInput<'_>) -> Result<Vec<OciMount>, BundleError> {
    let one = |m: &crate::Mount| {
        let recursive = m.recursive;
        if m.read_only_recursive == ReadOnlyRecursive::Must && !m.rw {
            if m.propagation != "rprivate" {
                return Err(BundleError::ReadOnlyPropagation);
            }
            if !input.host.recursive_readonly {
                return Err(BundleError::ReadOnlyRecursive(m.destination.clone()));
            }
        }
        let kind = if recursive { "rbind" } else { "bind" };
        let mut options = vec![kind.to_owned()];
        if !m.rw {
            let recursive =
                recursive && input.host.recursive_readonly && m.read_only_recursive != ReadOnlyRecursive::No;
            options.push(if recursive { "rro" } else { "ro" }.to_owned());
        }
        if !m.propagation.is_empty() {
            options.push(m.propagation.clone());
        }
        Ok(OciMount {
            destination: m.destination.clone(),
            r#type: "bind".to_owned(),
            source: m.source.display().to_string(),
            options,
            ..OciMount::default()
        })
    };
    input.mounts.iter().map(one).collect()
}

/// `/etc/{resolv.conf,hostname,hosts}`, unless the user mounts something there.
fn files(input: &BundleInput<'_>, user: &mut Vec<OciMount>) {
    let files = [
        ("/etc/resolv.conf", &input.files.resolv_conf),
        ("/etc/hostname", &input.files.hostname),
        ("/etc/hosts", &input.files.hosts),
    ];
    let options: &[&str] = match (input.spec.host.readonly_rootfs, input.host.recursive_readonly) {
        (false, _) => &["rbind", "rprivate"],
        (true, true) => &["rbind", "rro", "rprivate"],
        (true, false) => &["rbind", "ro", "rprivate"],
    };
    for (destination, source) in files {
        let Some(source) = source else { continue };
        if !user.iter().any(|m| m.destination == destination) {
            user.push(mount(destination, "bind", &source.display().to_string(), options));
        }
    }
}

fn tmpfs(input: &BundleInput<'_>) -> Result<Vec<OciMount>, BundleError> {
    let host = &input.spec.host;
    let mut out = Vec::new();
    for (target, options) in host.tmpfs.iter().flatten() {
        let mut all = TMPFS.map(str::to_owned).to_vec();
        for option in options.split(',').filter(|o| !o.is_empty()) {
            merge_tmpfs_option(&mut all, option)?;
        }
        out.push(OciMount {
            destination: target.clone(),
            r#type: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
            options: all,
            ..OciMount::default()
        });
    }
    for m in host.mounts.iter().flatten().filter(|m| m.kind == MountType::Tmpfs) {
        let mut all = TMPFS.map(str::to_owned).to_vec();
        if m.read_only {
            all.push("ro".to_owned());
        }
        if let Some(options) = &m.tmpfs_options {
            if options.mode != 0 {
                all.push(format!("mode={:o}", options.mode));
            }
            if options.size_bytes != 0 {
                all.push(format!("size={}", size(options.size_bytes)));
            }
            for words in options.options.iter().flatten() {
                merge_tmpfs_option(&mut all, &words.join("="))?;
            }
        }
        out.push(OciMount {
            destination: m.target.clone(),
            r#type: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
            options: all,
            ..OciMount::default()
        });
    }
    Ok(out)
}

/// A size with the largest unit that divides it, as Docker hands it to the kernel.
fn size(bytes: i64) -> String {
    let unit = [(30, "g"), (20, "m"), (10, "k")].into_iter().find(|(shift, _)| bytes % (1_i64 << shift) == 0);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// Adds an option, replacing its opposite among the defaults.
fn merge_tmpfs_option(all: &mut Vec<String>, option: &str) -> Result<(), BundleError> {
    let known = matches!(
        option.split('=').next().unwrap_or_default(),
        "exec"
            | "noexec"
            | "suid"
            | "nosuid"
            | "dev"
            | "nodev"
            | "ro"
            | "rw"
            | "size"
            | "mode"
            | "uid"
            | "gid"
            | "nr_inodes"
            | "nr_blocks"
            | "mpol"
            | "atime"
            | "noatime"
            | "diratime"
            | "nodiratime"
            | "relatime"
            | "norelatime"
            | "strictatime"
            | "nostrictatime"
            | "sync"
            | "async"
            | "dirsync"
            | "remount"
            | "mand"
            | "nomand"
            | "private"
            | "rprivate"
            | "shared"
            | "rshared"
            | "slave"
            | "rslave"
            | "unbindable"
            | "runbindable"
            | "bind"
            | "rbind"
            | "defaults"
            | "noswap"
    );
    if !known {
        return Err(BundleError::TmpfsOption(option.to_owned()));
    }
    let opposite = option.strip_prefix("no").map_or_else(|| format!("no{option}"), str::to_owned);
    all.retain(|o| *o != opposite && o != option);
    all.push(option.to_owned());
    Ok(())
}

/// A shared or slave bind needs a root that propagates.
pub(crate) fn rootfs_propagation(input: &BundleInput<'_>) -> &'static str {
    let any = |words: &[&str]| input.mounts.iter().any(|m| words.contains(&m.propagation.as_str()));
    if any(&["shared", "rshared"]) {
        "rshared"
    } else if any(&["slave", "rslave"]) {
        "rslave"
    } else if linux::NO_PROPAGATION_MEANS_PRIVATE {
        ""
    } else {
        "rprivate"
    }
}
