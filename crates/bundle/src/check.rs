//! What Docker refuses when a container is created or updated, before anything is made: contradictions, values out of
//! range, options the host cannot serve. Pure: what the host has comes in as [`HostFacts`].

use spec::{Config, ContainerSpec, HostConfig};

use crate::security::Security;
use crate::{BundleError, HostFacts, caps};

/// Smallest memory limit that Docker accepts, bytes.
const MEMORY_MIN: i64 = 6 << 20;
/// Shortest time of a health check but none, nanoseconds.
const HEALTH_MIN: i64 = 1_000_000;

/// Options of a client's request that exclude one another; to be asked before defaults are filled in.
///
/// # Errors
/// The first contradiction, in Docker's words.
pub fn conflicts(spec: &ContainerSpec) -> Result<(), BundleError> {
    let (config, host) = (&spec.config, &spec.host);
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|l| !l.is_empty());
    let refuse = |text| Err(BundleError::Conflict(text));
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return refuse("hostname and the UTS mode");
    }
    if host.network_mode == "host" && some(&host.links) {
        return refuse("host type networking can't be used with links. This would result in undefined behavior");
    }
    if !host.network_mode.starts_with("container:") {
        return Ok(());
    }
    for (given, text) in [
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (some(&host.links), "container type network can't be used with links. This would result in undefined behavior"),
        (some(&host.dns), "dns and the network mode"),
        (some(&host.extra_hosts), "custom host-to-IP mapping and the network mode"),
        (!config.mac_address.is_empty(), "mac-address and the network mode"),
        (
            !host.port_bindings.is_empty() || host.publish_all_ports,
            "port publishing and the container type network mode",
        ),
        (
            config.exposed_ports.as_ref().is_some_and(|p| !p.is_empty()),
            "port exposing and the container type network mode",
        ),
    ] {
        if given {
            return refuse(text);
        }
    }
    Ok(())
}

/// Whether a declaration can be run on this host. Gives what the user should be told of it.
///
/// # Errors
/// The first thing that is wrong, in Docker's words and order.
pub fn declaration(spec: &ContainerSpec, facts: &HostFacts) -> Result<Vec<String>, BundleError> {
    let host = &spec.host;
    health(&spec.config)?;
    caps::effective(host)?;
    if !matches!(host.isolation.as_str(), "" | "default") {
        return Err(BundleError::Isolation(host.isolation.clone()));
    }
    if host.annotations.iter().flatten().any(|(key, _)| key.is_empty()) {
        return Err(BundleError::AnnotationKey);
    }
    let warnings = limits(host, facts, false)?;
    modes(host)?;
    if host.shm_size < 0 {
        return Err(BundleError::ShmSize);
    }
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return Err(BundleError::OomScore(host.oom_score_adj));
    }
    for destination in host.tmpfs.iter().flatten().map(|(destination, _)| destination) {
        if !destination.starts_with('/') {
            return Err(BundleError::TmpfsPath(destination.clone()));
        }
        if destination.split('/').all(|part| matches!(part, "" | ".")) {
            return Err(BundleError::TmpfsRoot);
        }
    }
    Security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    if host.storage_opt.as_ref().is_some_and(|options| !options.is_empty()) {
        return Err(BundleError::StorageOpt);
    }
    Ok(warnings)
}

fn health(config: &Config) -> Result<(), BundleError> {
    let Some(check) = &config.healthcheck else { return Ok(()) };
    for (what, nanos) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if nanos != 0 && nanos < HEALTH_MIN {
            return Err(BundleError::HealthTime(what));
        }
    }
    if check.retries < 0 {
        return Err(BundleError::HealthRetries);
    }
    Ok(())
}

fn modes(host: &HostConfig) -> Result<(), BundleError> {
    let of_container = |mode: &str| mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
    let ipc = host.ipc_mode.as_str();
    if !matches!(ipc, "" | "none" | "private" | "shareable" | "host") && !of_container(ipc) {
        return Err(BundleError::Mode { what: "IPC mode", mode: ipc.to_owned() });
    }
    let pid = host.pid_mode.as_str();
    if !matches!(pid, "" | "host") && !of_container(pid) {
        return Err(BundleError::Mode { what: "PID mode", mode: pid.to_owned() });
    }
    if !matches!(host.uts_mode.as_str(), "" | "host") {
        return Err(BundleError::Mode { what: "UTS mode", mode: host.uts_mode.clone() });
    }
    if !matches!(host.userns_mode.as_str(), "" | "host") {
        return Err(BundleError::Mode { what: "user namespace mode", mode: host.userns_mode.clone() });
    }
    if !matches!(host.cgroupns_mode.as_str(), "" | "private" | "host") {
        return Err(BundleError::Mode { what: "cgroup namespace mode", mode: host.cgroupns_mode.clone() });
    }
    Ok(())
}

/// Whether limits contradict themselves or the host. Gives what the user should be told of them.
///
/// # Errors
/// The first thing that is wrong, in Docker's words and order (moby `verifyPlatformContainerResources`).
pub fn limits(host: &HostConfig, facts: &HostFacts, update: bool) -> Result<Vec<String>, BundleError> {
    let mut warnings = Vec::new();
    memory(host, update)?;
    if host.oom_kill_disable == Some(true) && host.memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
             running out of resources."
                .to_owned(),
        );
    }
    cpu(host, facts)?;
    let (cpus, mems) = (host.cpuset_cpus.as_str(), host.cpuset_mems.as_str());
    among(cpus, &facts.cpu_list, "CPUs", "cpuset cpus")?;
    among(mems, &facts.memory_nodes, "memory nodes", "cpuset mems")?;
    if host.blkio_weight > 0 && facts.blkio_weight && !(10..=1000).contains(&host.blkio_weight) {
        return Err(BundleError::BlkioWeight);
    }
    if host.blkio_weight > 0 && !facts.blkio_weight {
        warnings.push(no_weight("Block I/O weight", "Weight"));
    }
    if host.blkio_weight_device.as_ref().is_some_and(|list| !list.is_empty()) && !facts.blkio_weight {
        warnings.push(no_weight("Block I/O weight_device", "Weight-device"));
    }
    Ok(warnings)
}

fn no_weight(what: &str, discarded: &str) -> String {
    format!("Your kernel does not support {what} or the cgroup is not mounted. {discarded} discarded.")
}

fn memory(host: &HostConfig, update: bool) -> Result<(), BundleError> {
    if host.memory != 0 && host.memory < MEMORY_MIN {
        return Err(BundleError::MemoryTooSmall);
    }
    if host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory {
        return Err(BundleError::SwapTooSmall);
    }
    if host.memory == 0 && host.memory_swap > 0 && !update {
        return Err(BundleError::SwapWithoutMemory);
    }
    if let Some(n) = host.memory_swappiness.filter(|n| *n != -1 && !(0..=100).contains(n)) {
        return Err(BundleError::Swappiness(n));
    }
    if host.memory_reservation > 0 && host.memory_reservation < MEMORY_MIN {
        return Err(BundleError::ReservationTooSmall);
    }
    if host.memory > 0 && host.memory_reservation > 0 && host.memory < host.memory_reservation {
        return Err(BundleError::ReservationAboveLimit);
    }
    Ok(())
}

fn cpu(host: &HostConfig, facts: &HostFacts) -> Result<(), BundleError> {
    if host.nano_cpus > 0 && host.cpu_period > 0 {
        return Err(BundleError::CpuConflict("Period"));
    }
    if host.nano_cpus > 0 && host.cpu_quota > 0 {
        return Err(BundleError::CpuConflict("Quota"));
    }
    let most = i64::try_from(facts.cpus.max(1)).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    if host.nano_cpus < 0 || host.nano_cpus > most {
        return Err(BundleError::CpuRange(facts.cpus.max(1)));
    }
    if host.cpu_shares < 0 {
        return Err(BundleError::CpuShares(host.cpu_shares));
    }
    if host.cpu_period != 0 && !(1_000..=1_000_000).contains(&host.cpu_period) {
        return Err(BundleError::CpuPeriod);
    }
    if host.cpu_quota > 0 && host.cpu_quota < 1_000 {
        return Err(BundleError::CpuQuota);
    }
    Ok(())
}

/// Whether every number of a list (`0-2,4`) is in another one.
fn among(wanted: &str, available: &str, what: &'static str, field: &'static str) -> Result<(), BundleError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let wrong = |part: &str| BundleError::CpusetList { list: wanted.to_owned(), field, part: part.to_owned() };
    let wanted_ranges = ranges(wanted).map_err(wrong)?;
    // A host that says nothing leaves it to the kernel.
    let Ok(have) = ranges(available) else { return Ok(()) };
    let covered = |n: u32| have.iter().any(|(low, high)| (*low..=*high).contains(&n));
    let inside = |(low, high): &(u32, u32)| covered(*low) && covered(*high) && (*low..=*high).all(covered);
    if wanted_ranges.iter().all(inside) {
        Ok(())
    } else {
        Err(BundleError::CpusetRange { what, list: wanted.to_owned(), available: available.to_owned() })
    }
}

/// Ranges of a list such as `0-2,4`; the part that is none, else.
fn ranges(list: &str) -> Result<Vec<(u32, u32)>, &str> {
    /// More than any machine has.
    const MOST: u32 = 8192;
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MOST);
    list.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            match (number(low), number(high)) {
                (Some(low), Some(high)) if low <= high => Ok((low, high)),
                _ => Err(part),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HostFacts {
        HostFacts { cpus: 2, cpu_list: "0-1".to_owned(), memory_nodes: "0".to_owned(), ..HostFacts::default() }
    }

    /// What is said of a declaration: the error, or the warnings.
    fn said(change: impl FnOnce(&mut ContainerSpec)) -> String {
        let mut spec = ContainerSpec::default();
        change(&mut spec);
        match conflicts(&spec).and_then(|()| declaration(&spec, &facts())) {
            Ok(warnings) => warnings.join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn ordinary_declarations_pass() {
        assert_eq!(said(|_| {}), "");
        assert_eq!(said(|s| (s.host.memory, s.host.memory_swap) = (MEMORY_MIN, -1)), "");
        assert_eq!(said(|s| s.host.cpuset_cpus = "0,1".to_owned()), "");
        assert_eq!(said(|s| s.host.nano_cpus = 2_000_000_000), "");
        assert_eq!(said(|s| s.host.tmpfs = Some([("/run".to_owned(), String::new())].into())), "");
    }

    #[test]
    fn limits_are_refused_in_dockers_words() {
        assert_eq!(said(|s| s.host.memory = 1), "Minimum memory limit allowed is 6MB");
        assert_eq!(
            said(|s| s.host.memory_swap = 1),
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        );
        assert_eq!(said(|s| s.host.memory_reservation = 1), "Minimum memory reservation allowed is 6MB");
        assert_eq!(
            said(|s| (s.host.nano_cpus, s.host.cpu_period) = (1, 1)),
            "Conflicting options: Nano CPUs and CPU Period cannot both be set"
        );
        assert_eq!(
            said(|s| s.host.nano_cpus = 3_000_000_000),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
        assert_eq!(said(|s| s.host.cpu_quota = 10), "CPU cfs quota can not be less than 1ms (i.e. 1000)");
        assert_eq!(
            said(|s| s.host.cpuset_cpus = "0-4000000000".to_owned()),
            "Invalid value 0-4000000000 for cpuset cpus: invalid format: 0-4000000000"
        );
        assert_eq!(
            said(|s| s.host.cpuset_mems = "0-1".to_owned()),
            "Requested memory nodes are not available - requested 0-1, available: 0"
        );
        assert_eq!(
            said(|s| s.host.oom_score_adj = 2000),
            "Invalid value 2000, range for oom score adj is [-1000, 1000]"
        );
    }

    #[test]
    fn modes_and_options_are_refused_in_dockers_words() {
        assert_eq!(said(|s| s.host.ipc_mode = "foo".to_owned()), "invalid IPC mode: foo");
        assert_eq!(
            said(|s| (s.host.uts_mode, s.config.hostname) = ("host".to_owned(), "x".to_owned())),
            "conflicting options: hostname and the UTS mode"
        );
        assert_eq!(
            said(|s| (s.host.network_mode, s.host.dns) = ("container:x".to_owned(), Some(vec!["1.1.1.1".to_owned()]))),
            "conflicting options: dns and the network mode"
        );
        assert_eq!(
            said(|s| s.host.tmpfs = Some([("x".to_owned(), String::new())].into())),
            "invalid mount path: 'x' mount path must be absolute"
        );
        assert_eq!(
            said(|s| s.host.tmpfs = Some([("/./".to_owned(), String::new())].into())),
            "invalid specification: destination can't be '/'"
        );
        assert_eq!(
            said(|s| s.config.healthcheck = Some(spec::HealthConfig { interval: 1000, ..Default::default() })),
            "Interval in Healthcheck cannot be less than 1ms"
        );
        assert_eq!(
            said(|s| s.host.blkio_weight = 5),
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
        );
    }
}
