//! Limits of the control group.

use std::collections::BTreeMap;

use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice};
use spec::HostConfig;

use crate::BundleError;

/// Period that CPU time is counted in when `--cpus` is given, microseconds.
const PERIOD: u64 = 100_000;

/// The limits of a new container.
pub fn resources(host: &HostConfig) -> Resources {
    Resources {
        memory: memory(host),
        cpu: cpu(host),
        pids: host.pids_limit.filter(|n| *n > 0).map(|n| Pids { limit: Some(n) }),
        ..Resources::default()
    }
}

/// The limits that a live update puts into force. Unlike in a new container "unlimited" must be said here, or the earlier
/// limit stays.
pub fn update_resources(host: &HostConfig) -> Resources {
    let mut resources = resources(host);
    if host.pids_limit.is_some_and(|n| n <= 0) {
        resources.pids = Some(Pids { limit: Some(-1) });
    }
    if host.memory_swap == -1 {
        resources.memory.get_or_insert_default().swap = Some(-1);
    }
    if host.blkio_weight > 0 {
        resources.block_io = Some(BlockIo { weight: Some(host.blkio_weight), ..BlockIo::default() });
    }
    resources
}

fn memory(host: &HostConfig) -> Option<Memory> {
    let positive = |n: i64| (n > 0).then_some(n);
    let swap = match (host.memory, host.memory_swap) {
        (_, swap) if swap > 0 => Some(swap),
        // Unlimited is what a new container has.
        (_, swap) if swap < 0 => None,
        // Docker: as much swap again as memory.
        (memory, _) if memory > 0 => Some(memory.saturating_mul(2)),
        _ => None,
    };
    let swappiness = host.memory_swappiness.and_then(|n| u64::try_from(n).ok());
    let memory = Memory {
        limit: positive(host.memory),
        reservation: positive(host.memory_reservation),
        swap,
        swappiness,
        disable_oom_killer: host.oom_kill_disable.filter(|b| *b),
        ..Memory::default()
    };
    (memory != Memory::default()).then_some(memory)
}

fn cpu(host: &HostConfig) -> Option<Cpu> {
    let positive = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
    let mut cpu = Cpu {
        shares: positive(host.cpu_shares),
        period: positive(host.cpu_period),
        quota: (host.cpu_quota != 0).then_some(host.cpu_quota),
        realtime_period: positive(host.cpu_realtime_period),
        realtime_runtime: (host.cpu_realtime_runtime != 0).then_some(host.cpu_realtime_runtime),
        cpus: host.cpuset_cpus.clone(),
        mems: host.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if host.nano_cpus > 0 {
        cpu.period = Some(PERIOD);
        cpu.quota = Some(host.nano_cpus / 10_000);
    }
    (cpu != Cpu::default()).then_some(cpu)
}

/// Limits of block devices, whose numbers the engine has looked up.
pub(crate) fn block_io(
    host: &HostConfig,
    numbers: &BTreeMap<String, (i64, i64)>,
) -> Result<Option<BlockIo>, BundleError> {
    let find = |path: &str| numbers.get(path).copied().ok_or_else(|| BundleError::NoBlockDevice(path.to_owned()));
    let throttles = |list: &Option<Vec<spec::ThrottleDevice>>| {
        let device = |d: &spec::ThrottleDevice| {
            find(&d.path).map(|(major, minor)| ThrottleDevice { major, minor, rate: d.rate })
        };
        list.iter().flatten().map(device).collect::<Result<Vec<_>, _>>()
    };
    let weight = |d: &spec::WeightDevice| {
        find(&d.path).map(|(major, minor)| WeightDevice { major, minor, weight: Some(d.weight), leaf_weight: None })
    };
    let io = BlockIo {
        weight: (host.blkio_weight > 0).then_some(host.blkio_weight),
        weight_device: host.blkio_weight_device.iter().flatten().map(weight).collect::<Result<_, _>>()?,
        throttle_read_bps_device: throttles(&host.blkio_device_read_bps)?,
        throttle_write_bps_device: throttles(&host.blkio_device_write_bps)?,
        throttle_read_iops_device: throttles(&host.blkio_device_read_iops)?,
        throttle_write_iops_device: throttles(&host.blkio_device_write_iops)?,
        ..BlockIo::default()
    };
    Ok((io != BlockIo::default()).then_some(io))
}
