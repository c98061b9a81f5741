//! Limits as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)).

use oci::runtime::{Cpu, Memory, Resources};

use super::unit::Unit;
use super::wire::Value;
use crate::{Error, Result, convert};

/// Name and value.
pub(super) type Property = (&'static str, Value);

/// What every scope has.
pub(super) fn of_scope(unit: &Unit) -> Vec<Property> {
    vec![
        ("Description", Value::Str(format!("container {}", unit.name))),
        ("Slice", Value::Str(unit.slice.clone())),
        ("Delegate", Value::Bool(true)),
        ("DefaultDependencies", Value::Bool(false)),
        ("MemoryAccounting", Value::Bool(true)),
        ("CPUAccounting", Value::Bool(true)),
        ("IOAccounting", Value::Bool(true)),
        ("TasksAccounting", Value::Bool(true)),
    ]
}

/// A limit, where less than none is none.
fn limit(value: i64) -> Value {
    Value::Number(u64::try_from(value).unwrap_or(u64::MAX))
}

/// The limits that systemd knows too. The others are ours alone, in the delegated group.
pub(super) fn of_resources(resources: &Resources, v2: bool) -> Result<Vec<Property>> {
    let mut out = Vec::new();
    if let Some(memory) = &resources.memory {
        memory_limits(memory, v2, &mut out)?;
    }
    if let Some(cpu) = &resources.cpu {
        cpu_limits(cpu, v2, &mut out)?;
    }
    if let Some(tasks) = resources.pids.and_then(|pids| pids.limit).filter(|n| *n != 0) {
        out.push(("TasksMax", limit(tasks)));
    }
    if let Some(weight) = resources.block_io.as_ref().and_then(|block| block.weight).filter(|w| *w != 0) {
        out.push(if v2 {
            ("IOWeight", Value::Number(convert::io_weight(weight)))
        } else {
            ("BlockIOWeight", Value::Number(u64::from(weight)))
        });
    }
    Ok(out)
}

fn memory_limits(memory: &Memory, v2: bool, out: &mut Vec<Property>) -> Result<()> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    if let Some(value) = set(memory.limit) {
        out.push((if v2 { "MemoryMax" } else { "MemoryLimit" }, limit(value)));
    }
    if !v2 {
        return Ok(());
    }
    if let Some(value) = set(memory.reservation) {
        out.push(("MemoryLow", limit(value)));
    }
    if let Some(value) = convert::swap(memory.limit, memory.swap)? {
        out.push(("MemorySwapMax", limit(value)));
    }
    Ok(())
}

fn cpu_limits(cpu: &Cpu, v2: bool, out: &mut Vec<Property>) -> Result<()> {
    match cpu.shares.filter(|shares| *shares != 0) {
        Some(shares) if v2 => out.push(("CPUWeight", Value::Number(convert::cpu_weight(shares)))),
        Some(shares) => out.push(("CPUShares", Value::Number(shares))),
        None => {}
    }
    let period = cpu.period.filter(|period| *period != 0);
    if let Some(period) = period {
        out.push(("CPUQuotaPeriodUSec", Value::Number(period)));
    }
    if let Some(quota) = cpu.quota.filter(|quota| *quota != 0) {
        // Microseconds of each second, in steps of 10 ms, as systemd keeps it.
        let per_second = u64::try_from(quota).ok().map(|quota| {
            let exact = u128::from(quota) * 1_000_000 / u128::from(period.unwrap_or(100_000));
            u64::try_from(exact.next_multiple_of(10_000)).unwrap_or(u64::MAX)
        });
        out.push(("CPUQuotaPerSecUSec", Value::Number(per_second.unwrap_or(u64::MAX))));
    }
    if v2 {
        for (name, list) in [("AllowedCPUs", &cpu.cpus), ("AllowedMemoryNodes", &cpu.mems)] {
            if !list.is_empty() {
                out.push((name, Value::Bytes(mask(list)?)));
            }
        }
    }
    Ok(())
}

/// A list as `0-2,9` as bits, the lowest first.
fn mask(list: &str) -> Result<Vec<u8>> {
    const MOST: usize = 8192;
    let invalid = || Error::InvalidCpuList { list: list.to_owned() };
    let mut bytes = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |n: &str| n.trim().parse::<usize>().ok().filter(|n| *n < MOST).ok_or_else(invalid);
        for bit in number(first)?..=number(last)? {
            if bytes.len() <= bit / 8 {
                bytes.resize(bit / 8 + 1, 0);
            }
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte |= 1_u8 << (bit % 8);
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use oci::runtime::{BlockIo, Pids};

    use super::*;

    fn resources() -> Resources {
        Resources {
            memory: Some(Memory { limit: Some(100), swap: Some(300), reservation: Some(50), ..Memory::default() }),
            cpu: Some(Cpu { shares: Some(1024), quota: Some(25_001), cpus: "0-2,9".into(), ..Cpu::default() }),
            pids: Some(Pids { limit: Some(-1) }),
            block_io: Some(BlockIo { weight: Some(1000), ..BlockIo::default() }),
            ..Resources::default()
        }
    }

    #[test]
    fn limits_of_both_versions() {
        let number = Value::Number;
        assert_eq!(
            of_resources(&resources(), true).expect("limits"),
            [
                ("MemoryMax", number(100)),
                ("MemoryLow", number(50)),
                ("MemorySwapMax", number(200)),
                ("CPUWeight", number(100)),
                ("CPUQuotaPerSecUSec", number(260_000)),
                ("AllowedCPUs", Value::Bytes(vec![0b111, 0b10])),
                ("TasksMax", number(u64::MAX)),
                ("IOWeight", number(10_000)),
            ]
        );
        assert_eq!(
            of_resources(&resources(), false).expect("limits"),
            [
                ("MemoryLimit", number(100)),
                ("CPUShares", number(1024)),
                ("CPUQuotaPerSecUSec", number(260_000)),
                ("TasksMax", number(u64::MAX)),
                ("BlockIOWeight", number(1000)),
            ]
        );
        assert!(of_resources(&Resources::default(), true).expect("none").is_empty());
        assert!(matches!(mask("0-99999"), Err(Error::InvalidCpuList { .. })));
    }
}
