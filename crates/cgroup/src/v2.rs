//! Limits on cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).

use std::path::Path;

use oci::runtime::{BlockIo, Cpu, Memory, Resources};
use rustix::io::Errno;

use crate::devices::Policy;
use crate::{Error, Result, convert, devices, file, v1};

/// One write into a file of the cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// File.
    pub(crate) file: String,
    /// What is written.
    pub(crate) value: String,
    /// Whether a missing file is no error.
    pub(crate) optional: bool,
    /// Whether the first word in the file stays, and is written before the value.
    pub(crate) keeps_first: bool,
}

fn write(file: &str, value: impl ToString) -> Write {
    Write { file: file.to_owned(), value: value.to_string(), optional: false, keeps_first: false }
}

/// A limit, where -1 is none.
fn limit(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// What a set of limits comes to, but for devices.
pub(crate) fn plan(resources: &Resources) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    if let Some(memory) = &resources.memory {
        plan_memory(memory, &mut writes)?;
    }
    if let Some(cpu) = &resources.cpu {
        plan_cpu(cpu, &mut writes);
    }
    if let Some(value) = resources.pids.and_then(|pids| pids.limit).filter(|value| *value != 0) {
        writes.push(write("pids.max", limit(value)));
    }
    if let Some(block) = &resources.block_io {
        plan_block(block, &mut writes);
    }
    for huge in &resources.hugepage_limits {
        writes.push(write(&format!("hugetlb.{}.max", huge.page_size), huge.limit));
        writes.push(Write { optional: true, ..write(&format!("hugetlb.{}.rsvd.max", huge.page_size), huge.limit) });
    }
    for (device, limit) in &resources.rdma {
        writes.push(write("rdma.max", v1::rdma_line(device, limit)));
    }
    for (key, value) in &resources.unified {
        if key.is_empty() || key.contains(['/', '\0']) || key == "." || key == ".." {
            return Err(Error::InvalidUnifiedKey { key: key.clone() });
        }
        writes.push(write(key, value));
    }
    Ok(writes)
}

fn plan_memory(memory: &Memory, writes: &mut Vec<Write>) -> Result<()> {
    if let Some(swap) = convert::swap(memory.limit, memory.swap)? {
        // No swap file means no swap; only a real limit misses it then.
        writes.push(Write { optional: swap <= 0, ..write("memory.swap.max", limit(swap)) });
    }
    if let Some(value) = memory.limit.filter(|value| *value != 0) {
        writes.push(write("memory.max", limit(value)));
    }
    if let Some(value) = memory.reservation.filter(|value| *value != 0) {
        writes.push(write("memory.low", limit(value)));
    }
    Ok(())
}

fn plan_cpu(cpu: &Cpu, writes: &mut Vec<Write>) {
    if let Some(idle) = cpu.idle {
        writes.push(write("cpu.idle", idle));
    }
    match cpu.shares.map(convert::cpu_weight) {
        Some(0) | None => {}
        // An idle cgroup has no weight.
        Some(_) if cpu.idle == Some(1) => {}
        Some(weight) => writes.push(write("cpu.weight", weight)),
    }
    let (quota, period) = (cpu.quota.filter(|quota| *quota != 0), cpu.period.filter(|period| *period != 0));
    // A burst above the quota in force is refused, and so is a quota below the burst in force.
    let burst = cpu.burst.map(|burst| write("cpu.max.burst", burst));
    // A quota on its own leaves the period as it is.
    let max = match (quota.map(limit), period) {
        (Some(quota), Some(period)) => Some(write("cpu.max", format!("{quota} {period}"))),
        (Some(quota), None) => Some(write("cpu.max", quota)),
        (None, Some(period)) => Some(Write { keeps_first: true, ..write("cpu.max", period) }),
        (None, None) => None,
    };
    if cpu.burst == Some(0) {
        writes.extend(burst.into_iter().chain(max));
    } else {
        writes.extend(max.into_iter().chain(burst));
    }
    if !cpu.cpus.is_empty() {
        writes.push(write("cpuset.cpus", &cpu.cpus));
    }
    if !cpu.mems.is_empty() {
        writes.push(write("cpuset.mems", &cpu.mems));
    }
}

fn plan_block(block: &BlockIo, writes: &mut Vec<Write>) {
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        // BFQ's own file takes the value as it is, io.weight has another scale; whichever exists takes it.
        writes.push(Write { optional: true, ..write("io.bfq.weight", weight) });
        writes.push(Write { optional: true, ..write("io.weight", format!("default {}", convert::io_weight(weight))) });
    }
    for device in &block.weight_device {
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            let line = format!("{}:{} {weight}", device.major, device.minor);
            writes.push(Write { optional: true, ..write("io.bfq.weight", line) });
        }
    }
    for (key, list) in [
        ("rbps", &block.throttle_read_bps_device),
        ("wbps", &block.throttle_write_bps_device),
        ("riops", &block.throttle_read_iops_device),
        ("wiops", &block.throttle_write_iops_device),
    ] {
        for device in list {
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            writes.push(write("io.max", format!("{}:{} {key}={rate}", device.major, device.minor)));
        }
    }
}

/// Puts limits into force.
pub(crate) fn apply(dir: &Path, resources: &Resources) -> Result<()> {
    if !resources.devices.is_empty() {
        devices::attach(dir, &Policy::from_rules(&resources.devices)?)?;
    }
    let steps = match with_limits_in_force(dir, resources)? {
        Some(resources) => plan(&resources)?,
        None => plan(resources)?,
    };
    if let Some(memory) = resources.memory.as_ref().filter(|memory| memory.check_before_update == Some(true)) {
        check_usage(dir, memory)?;
    }
    for step in steps {
        let path = dir.join(&step.file);
        let kept = if step.keeps_first { file::read_optional(&path)?.unwrap_or_default() } else { String::new() };
        let value = match kept.split_whitespace().next() {
            Some(first) => format!("{first} {}", step.value),
            None => step.value,
        };
        match file::write(&path, &value) {
            Err(error) if step.optional && file::is_missing(&error) => {}
            Err(error) if error.errno() == Some(Errno::NOENT) => {
                let controller = step.file.split('.').next().unwrap_or_default().to_owned();
                return Err(if controller.is_empty() { error } else { Error::NoController { controller } });
            }
            result => result?,
        }
    }
    Ok(())
}

/// The limit of memory and swap together is kept as two here, so a change of one of them depends on what is in force:
/// swap without memory is meant for the present limit, and a new limit of memory leaves the sum as it is, as on v1.
fn with_limits_in_force(dir: &Path, resources: &Resources) -> Result<Option<Resources>> {
    let Some(memory) = &resources.memory else { return Ok(None) };
    let (limit, swap) = (memory.limit.filter(|n| *n != 0), memory.swap.filter(|n| *n != 0));
    let in_force = |name: &str| -> Result<Option<i64>> {
        let value = file::read_optional(&dir.join(name))?.as_deref().and_then(file::parse_number);
        Ok(value.filter(|value| *value != u64::MAX).and_then(|value| i64::try_from(value).ok()))
    };
    let mut changed = *memory;
    match (limit, swap) {
        (None, Some(swap)) if swap > 0 => changed.limit = in_force("memory.max")?,
        (Some(limit), None) if limit > 0 => {
            let present = in_force("memory.max")?.zip(in_force("memory.swap.max")?);
            changed.swap = present.map(|(memory, swap)| memory.saturating_add(swap));
        }
        _ => return Ok(None),
    }
    Ok(Some(Resources { memory: Some(changed), ..resources.clone() }))
}

/// Refuses limits below what is in use, which the kernel would enforce by killing.
fn check_usage(dir: &Path, memory: &Memory) -> Result<()> {
    let swap = convert::swap(memory.limit, memory.swap)?;
    for (name, wanted) in [("memory.current", memory.limit), ("memory.swap.current", swap)] {
        let Some(limit) = wanted.filter(|value| *value > 0) else { continue };
        let usage = match file::read_number(&dir.join(name)) {
            Err(error) if file::is_missing(&error) => continue,
            other => other?,
        };
        if u64::try_from(limit).is_ok_and(|limit| limit < usage) {
            return Err(Error::MemoryBusy { limit, usage });
        }
    }
    Ok(())
}

/// Makes `path` below `mount`; every directory on the way hands all controllers it can down to its children.
pub(crate) fn make_dirs(mount: &Path, path: &str, controllers: &[String]) -> Result<()> {
    let mut dir = mount.to_path_buf();
    let mut maker = file::Maker::default();
    for part in path.split('/') {
        delegate(&dir, controllers)?;
        dir.push(part);
        maker.make(&dir)?;
    }
    Ok(())
}

/// Whether it has processes of its own, and is not the root. It may have no domains with controllers below it then, and
/// those controllers that it could enable nevertheless (cpu, pids) would make it threaded, and its children unusable.
fn is_occupied(dir: &Path) -> Result<bool> {
    if file::read_optional(&dir.join("cgroup.type"))?.is_none() {
        return Ok(false);
    }
    Ok(!file::read_optional(&dir.join("cgroup.procs"))?.unwrap_or_default().is_empty())
}

/// Enables controllers for the children of `dir`. One that cannot be is left out: a limit that needs it will say so.
fn delegate(dir: &Path, controllers: &[String]) -> Result<()> {
    let control = dir.join("cgroup.subtree_control");
    let enabled = file::read(&control)?;
    let missing: Vec<String> = controllers
        .iter()
        .filter(|controller| !enabled.split_whitespace().any(|own| own == controller.as_str()))
        .map(|controller| format!("+{controller}"))
        .collect();
    if missing.is_empty() || is_occupied(dir)? {
        return Ok(());
    }
    if file::write(&control, &missing.join(" ")).is_ok() {
        return Ok(());
    }
    for controller in missing {
        // One refused controller refuses the whole line, so each is tried alone.
        let _ = file::write(&control, &controller);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oci::runtime::{HugepageLimit, Pids, ThrottleDevice};

    use super::*;

    fn lines(resources: &Resources) -> Vec<String> {
        let writes = plan(resources).expect("plans");
        writes.iter().map(|w| format!("{}={}{}", w.file, w.value, if w.optional { "?" } else { "" })).collect()
    }

    #[test]
    fn nothing() {
        assert!(lines(&Resources::default()).is_empty());
    }

    #[test]
    fn everything() {
        let resources = Resources {
            memory: Some(Memory { limit: Some(100), swap: Some(300), reservation: Some(50), ..Memory::default() }),
            cpu: Some(Cpu {
                shares: Some(1024),
                quota: Some(50_000),
                burst: Some(10),
                cpus: "0".into(),
                mems: "0".into(),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: Some(-1) }),
            block_io: Some(BlockIo {
                weight: Some(1000),
                throttle_write_iops_device: vec![ThrottleDevice { major: 8, minor: 0, rate: 10 }],
                ..BlockIo::default()
            }),
            hugepage_limits: vec![HugepageLimit { page_size: "2MB".into(), limit: 9 }],
            unified: [("memory.high".to_owned(), "7".to_owned())].into(),
            ..Resources::default()
        };
        assert_eq!(
            lines(&resources),
            [
                "memory.swap.max=200",
                "memory.max=100",
                "memory.low=50",
                "cpu.weight=100",
                "cpu.max=50000",
                "cpu.max.burst=10",
                "cpuset.cpus=0",
                "cpuset.mems=0",
                "pids.max=max",
                "io.bfq.weight=1000?",
                "io.weight=default 10000?",
                "io.max=8:0 wiops=10",
                "hugetlb.2MB.max=9",
                "hugetlb.2MB.rsvd.max=9?",
                "memory.high=7",
            ]
        );
    }

    #[test]
    fn what_is_in_force_counts() {
        let dir = tempfile::tempdir().expect("directory");
        let set = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("file");
        let memory = |limit, swap| {
            let memory = Memory { limit, swap, ..Memory::default() };
            let resources = Resources { memory: Some(memory), ..Resources::default() };
            with_limits_in_force(dir.path(), &resources).expect("reads").and_then(|r| r.memory)
        };
        set("memory.max", "max\n");
        set("memory.swap.max", "max\n");
        assert_eq!(memory(Some(10), None).and_then(|m| m.swap), None);
        assert_eq!(memory(None, Some(10)).and_then(|m| m.limit), None);
        set("memory.max", "100\n");
        set("memory.swap.max", "20\n");
        assert_eq!(memory(Some(110), None).and_then(|m| m.swap), Some(120));
        assert_eq!(memory(None, Some(150)).and_then(|m| m.limit), Some(100));
        assert_eq!(memory(Some(50), Some(60)), None);
        assert_eq!(memory(Some(-1), None), None);

        set("cpu.max", "5000 100000\n");
        let cpu = Cpu { period: Some(200_000), ..Cpu::default() };
        apply(dir.path(), &Resources { cpu: Some(cpu), ..Resources::default() }).expect("applies");
        // A plain file is not truncated by a write.
        assert_eq!(std::fs::read_to_string(dir.path().join("cpu.max")).expect("file"), "5000 200000\n");
    }

    #[test]
    fn limits_below_the_usage() {
        let dir = tempfile::tempdir().expect("directory");
        for (name, content) in [("memory.current", "500"), ("memory.max", "max"), ("memory.swap.current", "9")] {
            std::fs::write(dir.path().join(name), content).expect("file");
        }
        std::fs::write(dir.path().join("memory.swap.max"), "max").expect("file");
        let limited = |limit, swap, check| Resources {
            memory: Some(Memory { limit, swap, check_before_update: check, ..Memory::default() }),
            ..Resources::default()
        };
        let busy = |limit, usage| Err(Error::MemoryBusy { limit, usage });
        assert_eq!(apply(dir.path(), &limited(Some(400), None, Some(true))), busy(400, 500));
        assert_eq!(apply(dir.path(), &limited(Some(600), Some(605), Some(true))), busy(5, 9));
        for fine in [
            limited(Some(600), Some(700), Some(true)),
            limited(Some(-1), None, Some(true)),
            limited(Some(1), None, None),
        ] {
            assert_eq!(apply(dir.path(), &fine), Ok(()), "{fine:?}");
        }
    }

    #[test]
    fn unified_keys_are_names() {
        for key in ["../x", "a/b", "", ".."] {
            let resources = Resources { unified: [(key.to_owned(), String::new())].into(), ..Resources::default() };
            assert!(matches!(plan(&resources), Err(Error::InvalidUnifiedKey { .. })), "{key}");
        }
    }
}
