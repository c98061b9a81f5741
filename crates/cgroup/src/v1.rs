//! Limits on cgroup v1 (Documentation/admin-guide/cgroup-v1).

use std::path::Path;

use oci::runtime::{BlockIo, Cpu, Memory, Resources};

use crate::step::Step;
use crate::{Error, Result, file};

/// What a set of limits comes to.
pub(crate) fn plan(resources: &Resources) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if !resources.unified.is_empty() {
        return Err(Error::UnifiedWithoutV2);
    }
    if !resources.devices.is_empty() {
        steps.push(Step::Devices(resources.devices.clone()));
    }
    if let Some(memory) = &resources.memory {
        plan_memory(memory, &mut steps)?;
    }
    if let Some(cpu) = &resources.cpu {
        plan_cpu(cpu, &mut steps);
    }
    match resources.pids.and_then(|pids| pids.limit) {
        Some(0) | None => {}
        Some(limit) if limit > 0 => steps.push(Step::write("pids", "pids.max", limit)),
        Some(_) => steps.push(Step::write("pids", "pids.max", "max")),
    }
    if let Some(block) = &resources.block_io {
        plan_block(block, &mut steps);
    }
    for limit in &resources.hugepage_limits {
        let name = format!("hugetlb.{}.limit_in_bytes", limit.page_size);
        steps.push(Step::write("hugetlb", name, limit.limit));
        let name = format!("hugetlb.{}.rsvd.limit_in_bytes", limit.page_size);
        let value = limit.limit.to_string();
        steps.push(Step::Write { controller: "hugetlb", file: name.into(), value, optional: true });
    }
    if let Some(network) = &resources.network {
        if let Some(class) = network.class_id {
            steps.push(Step::write("net_cls", "net_cls.classid", class));
        }
        for priority in &network.priorities {
            let line = format!("{} {}", priority.name, priority.priority);
            steps.push(Step::write("net_prio", "net_prio.ifpriomap", line));
        }
    }
    for (device, limit) in &resources.rdma {
        steps.push(Step::write("rdma", "rdma.max", rdma_line(device, limit)));
    }
    Ok(steps)
}

/// Line for `rdma.max`, the same on v1 and v2.
pub(crate) fn rdma_line(device: &str, limit: &oci::runtime::Rdma) -> String {
    let number = |value: Option<u32>| value.map_or_else(|| "max".to_owned(), |value| value.to_string());
    format!("{device} hca_handle={} hca_object={}", number(limit.hca_handles), number(limit.hca_objects))
}

fn plan_memory(memory: &Memory, steps: &mut Vec<Step>) -> Result<()> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit, mut swap) = (set(memory.limit), set(memory.swap));
    match (limit, swap) {
        // Unlimited memory under limited swap cannot be written.
        (Some(-1), None) => swap = Some(-1),
        (None, Some(both)) if both > 0 => return Err(Error::SwapWithoutMemory),
        (Some(limit), Some(both)) if both > 0 && limit > both => {
            return Err(Error::SwapBelowMemory { limit, swap: both });
        }
        _ => {}
    }
    // A host without swap accounting has no memsw file; unlimited is then what it has.
    if swap == Some(-1) && set(memory.swap).is_none() {
        let value = "-1".to_owned();
        let file = "memory.memsw.limit_in_bytes".into();
        steps.push(Step::Write { controller: "memory", file, value, optional: true });
        swap = None;
    }
    if limit.is_some() || swap.is_some() {
        steps.push(Step::Memory { limit, swap });
    }
    if let Some(reservation) = set(memory.reservation) {
        steps.push(Step::write("memory", "memory.soft_limit_in_bytes", reservation));
    }
    if let Some(kernel_tcp) = set(memory.kernel_tcp) {
        steps.push(Step::write("memory", "memory.kmem.tcp.limit_in_bytes", kernel_tcp));
    }
    if memory.disable_oom_killer == Some(true) {
        steps.push(Step::write("memory", "memory.oom_control", 1));
    }
    // Docker sends -1 as the largest number for "as the parent".
    match memory.swappiness {
        Some(swappiness) if swappiness != u64::MAX => {
            steps.push(Step::write("memory", "memory.swappiness", swappiness));
        }
        _ => {}
    }
    Ok(())
}

fn plan_cpu(cpu: &Cpu, steps: &mut Vec<Step>) {
    let positive = |value: Option<u64>| value.filter(|value| *value != 0);
    if let Some(shares) = positive(cpu.shares) {
        steps.push(Step::write("cpu", "cpu.shares", shares));
    }
    let (period, quota) = (positive(cpu.period), cpu.quota.filter(|quota| *quota != 0));
    if period.is_some() || quota.is_some() {
        steps.push(Step::Bandwidth { period, quota });
    }
    if let Some(burst) = cpu.burst {
        steps.push(Step::write("cpu", "cpu.cfs_burst_us", burst));
    }
    if let Some(period) = positive(cpu.realtime_period) {
        steps.push(Step::write("cpu", "cpu.rt_period_us", period));
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|runtime| *runtime != 0) {
        steps.push(Step::write("cpu", "cpu.rt_runtime_us", runtime));
    }
    if let Some(idle) = cpu.idle {
        steps.push(Step::write("cpu", "cpu.idle", idle));
    }
    if !cpu.cpus.is_empty() {
        steps.push(Step::write("cpuset", "cpuset.cpus", &cpu.cpus));
    }
    if !cpu.mems.is_empty() {
        steps.push(Step::write("cpuset", "cpuset.mems", &cpu.mems));
    }
}

fn plan_block(block: &BlockIo, steps: &mut Vec<Step>) {
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        // Which file there is depends on the I/O scheduler; whichever exists takes it.
        for name in ["blkio.weight", "blkio.bfq.weight"] {
            let value = weight.to_string();
            steps.push(Step::Write { controller: "blkio", file: name.into(), value, optional: true });
        }
    }
    if let Some(weight) = block.leaf_weight.filter(|weight| *weight != 0) {
        let value = weight.to_string();
        steps.push(Step::Write { controller: "blkio", file: "blkio.leaf_weight".into(), value, optional: true });
    }
    for device in &block.weight_device {
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            let value = format!("{}:{} {weight}", device.major, device.minor);
            for name in ["blkio.weight_device", "blkio.bfq.weight_device"] {
                let value = value.clone();
                steps.push(Step::Write { controller: "blkio", file: name.into(), value, optional: true });
            }
        }
    }
    for (name, list) in [
        ("blkio.throttle.read_bps_device", &block.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &block.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &block.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &block.throttle_write_iops_device),
    ] {
        for device in list {
            steps.push(Step::write("blkio", name, format!("{}:{} {}", device.major, device.minor, device.rate)));
        }
    }
}

/// A new cpuset is empty and takes no process; it gets what its parent has, as do parents made with it.
pub(crate) fn inherit_cpuset(mount: &Path, dir: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        inherited(mount, dir, name)?;
    }
    Ok(())
}

fn inherited(mount: &Path, dir: &Path, name: &str) -> Result<String> {
    let path = dir.join(name);
    let own = file::read(&path)?;
    if !own.trim().is_empty() || dir == mount {
        return Ok(own);
    }
    let Some(parent) = dir.parent() else { return Ok(own) };
    let value = inherited(mount, parent, name)?;
    file::write(&path, value.trim())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use oci::runtime::{HugepageLimit, NetworkPriority, Pids, ThrottleDevice, WeightDevice};

    use super::*;

    fn lines(resources: &Resources) -> Vec<String> {
        let steps = plan(resources).expect("plans");
        steps
            .iter()
            .map(|step| match step {
                Step::Write { file, value, optional, .. } => {
                    format!("{file}={value}{}", if *optional { "?" } else { "" })
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn nothing() {
        assert!(lines(&Resources::default()).is_empty());
        let zeros = Resources {
            memory: Some(Memory { limit: Some(0), swap: Some(0), ..Memory::default() }),
            cpu: Some(Cpu { shares: Some(0), quota: Some(0), period: Some(0), ..Cpu::default() }),
            pids: Some(Pids { limit: Some(0) }),
            ..Resources::default()
        };
        assert!(lines(&zeros).is_empty());
    }

    #[test]
    fn everything() {
        let resources = Resources {
            memory: Some(Memory {
                limit: Some(100),
                swap: Some(200),
                reservation: Some(50),
                disable_oom_killer: Some(true),
                swappiness: Some(0),
                ..Memory::default()
            }),
            cpu: Some(Cpu {
                shares: Some(512),
                quota: Some(50_000),
                period: Some(100_000),
                cpus: "0".into(),
                mems: "0".into(),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: Some(-1) }),
            block_io: Some(BlockIo {
                weight: Some(300),
                weight_device: vec![WeightDevice { major: 8, minor: 0, weight: Some(200), leaf_weight: None }],
                throttle_read_bps_device: vec![ThrottleDevice { major: 8, minor: 0, rate: 1024 }],
                ..BlockIo::default()
            }),
            hugepage_limits: vec![HugepageLimit { page_size: "2MB".into(), limit: 9 }],
            network: Some(NetworkPriority { class_id: Some(1), priorities: Vec::new() }),
            ..Resources::default()
        };
        assert_eq!(
            lines(&resources),
            [
                "Memory { limit: Some(100), swap: Some(200) }",
                "memory.soft_limit_in_bytes=50",
                "memory.oom_control=1",
                "memory.swappiness=0",
                "cpu.shares=512",
                "Bandwidth { period: Some(100000), quota: Some(50000) }",
                "cpuset.cpus=0",
                "cpuset.mems=0",
                "pids.max=max",
                "blkio.weight=300?",
                "blkio.bfq.weight=300?",
                "blkio.weight_device=8:0 200?",
                "blkio.bfq.weight_device=8:0 200?",
                "blkio.throttle.read_bps_device=8:0 1024",
                "hugetlb.2MB.limit_in_bytes=9",
                "hugetlb.2MB.rsvd.limit_in_bytes=9?",
                "net_cls.classid=1",
            ]
        );
    }

    #[test]
    fn swap_rules() {
        let memory = |limit, swap| Resources {
            memory: Some(Memory { limit, swap, ..Memory::default() }),
            ..Resources::default()
        };
        assert_eq!(plan(&memory(None, Some(5))), Err(Error::SwapWithoutMemory));
        assert_eq!(plan(&memory(Some(6), Some(5))), Err(Error::SwapBelowMemory { limit: 6, swap: 5 }));
        assert_eq!(
            lines(&memory(Some(-1), None)),
            ["memory.memsw.limit_in_bytes=-1?", "Memory { limit: Some(-1), swap: None }"]
        );
        let unified = Resources { unified: [("a".to_owned(), "b".to_owned())].into(), ..Resources::default() };
        assert_eq!(plan(&unified), Err(Error::UnifiedWithoutV2));
    }

    #[test]
    fn cpuset_comes_from_above() {
        let mount = tempfile::tempdir().expect("directory");
        let leaf = mount.path().join("docker/x");
        std::fs::create_dir_all(&leaf).expect("directories");
        for (dir, content) in [(mount.path(), "0-1\n"), (&mount.path().join("docker"), "\n"), (&leaf, "\n")] {
            for name in ["cpuset.cpus", "cpuset.mems"] {
                std::fs::write(dir.join(name), content).expect("file");
            }
        }
        inherit_cpuset(mount.path(), &leaf).expect("inherits");
        for dir in [&mount.path().join("docker"), &leaf] {
            assert_eq!(std::fs::read_to_string(dir.join("cpuset.mems")).expect("file").trim(), "0-1");
        }
    }
}
