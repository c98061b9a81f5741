//! `update`

use std::io::Read as _;

use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};
use serde_json::Value;

use crate::Context;
use crate::error::{Error, Result, io};
use crate::parse::Matches;
use crate::store::Container;

/// Most bytes of a document that are read.
const LIMIT: u64 = 1024 * 1024;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let (container, _lock) = context.store.lock(&matches.take_first())?;
    let changed = match matches.value("resources") {
        Some(path) => read(path)?,
        None => from_options(matches)?,
    };
    for option in ["l3-cache-schema", "mem-bw-schema"] {
        if matches.value(option).is_some_and(|schema| !schema.is_empty()) {
            return Err(Error::Unsupported { option: "Intel RDT" });
        }
    }
    container.record.cgroup.update(&changed)?;
    remember(container, &changed)?;
    Ok(0)
}

fn read(path: &str) -> Result<Resources> {
    let mut text = Vec::new();
    if path == "-" {
        std::io::stdin().take(LIMIT).read_to_end(&mut text).map_err(io("read", "/dev/stdin"))?;
    } else {
        let file = std::fs::File::open(path).map_err(io("open", path))?;
        file.take(LIMIT).read_to_end(&mut text).map_err(io("read", path))?;
    }
    let json = |source| Error::Document { what: "resources cannot be read".to_owned(), source };
    let mut resources: Resources = oci::json::read(&text).map_err(json)?;
    // A limit of 0 is one that is not changed; devices are not updated.
    resources.devices.clear();
    if let Some(memory) = &mut resources.memory {
        for limit in [&mut memory.limit, &mut memory.reservation, &mut memory.swap] {
            *limit = limit.filter(|limit| *limit != 0);
        }
    }
    if let Some(cpu) = &mut resources.cpu {
        cpu.shares = cpu.shares.filter(|n| *n != 0);
        cpu.quota = cpu.quota.filter(|n| *n != 0);
        cpu.period = cpu.period.filter(|n| *n != 0);
        cpu.realtime_runtime = cpu.realtime_runtime.filter(|n| *n != 0);
        cpu.realtime_period = cpu.realtime_period.filter(|n| *n != 0);
    }
    if let Some(block) = &mut resources.block_io {
        block.weight = block.weight.filter(|weight| *weight != 0);
    }
    resources.pids = resources.pids.filter(|pids| pids.limit.is_some_and(|limit| limit != 0));
    Ok(resources)
}

/// Bytes with an optional unit (`64m`), or -1.
fn bytes(option: &'static str, matches: &Matches) -> Result<Option<i64>> {
    let Some(text) = matches.value(option.trim_start_matches('-')).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let invalid = || Error::Value { option, text: text.to_owned() };
    if text == "-1" {
        return Ok(Some(-1));
    }
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let shift = match lower.get(digits.len()..).unwrap_or_default().trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(invalid()),
    };
    let number: i64 = digits.parse().map_err(|_| invalid())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes >= 0).map(Some).ok_or_else(invalid)
}

fn from_options(matches: &Matches) -> Result<Resources> {
    let number = |option: &'static str| -> Result<Option<i64>> {
        let given = matches.value(option).filter(|text| !text.is_empty());
        let parse = |text: &str| text.parse().map_err(|_| Error::Value { option, text: text.to_owned() });
        given.map(parse).transpose()
    };
    let positive = |option: &'static str| -> Result<Option<u64>> {
        let text = || matches.value(option).unwrap_or_default().to_owned();
        number(option)?.map(|n| u64::try_from(n).map_err(|_| Error::Value { option, text: text() })).transpose()
    };
    let text = |option| matches.value(option).unwrap_or_default().to_owned();
    let cpu = Cpu {
        shares: positive("cpu-share")?,
        quota: number("cpu-quota")?,
        burst: positive("cpu-burst")?,
        period: positive("cpu-period")?,
        realtime_runtime: number("cpu-rt-runtime")?,
        realtime_period: positive("cpu-rt-period")?,
        cpus: text("cpuset-cpus"),
        mems: text("cpuset-mems"),
        idle: number("cpu-idle")?,
    };
    let memory = Memory {
        limit: bytes("--memory", matches)?,
        reservation: bytes("--memory-reservation", matches)?,
        swap: bytes("--memory-swap", matches)?,
        ..Memory::default()
    };
    let weight = positive("blkio-weight")?.filter(|weight| *weight != 0);
    let weight = weight.map(|weight| {
        u16::try_from(weight).map_err(|_| Error::Value { option: "--blkio-weight", text: weight.to_string() })
    });
    Ok(Resources {
        cpu: (cpu != Cpu::default()).then_some(cpu),
        memory: (memory != Memory::default()).then_some(memory),
        pids: number("pids-limit")?.filter(|n| *n != 0).map(|limit| Pids { limit: Some(limit) }),
        block_io: weight.transpose()?.map(|weight| BlockIo { weight: Some(weight), ..BlockIo::default() }),
        ..Resources::default()
    })
}

/// Keeps what is in force in the record.
fn remember(mut container: Container, changed: &Resources) -> Result<()> {
    let json = |source| Error::Json { what: "resources".to_owned(), source };
    let Some(linux) = &mut container.record.spec.linux else { return Ok(()) };
    let mut all = serde_json::to_value(linux.resources.take().unwrap_or_default()).map_err(json)?;
    merge(&mut all, serde_json::to_value(changed).map_err(json)?);
    linux.resources = Some(serde_json::from_value(all).map_err(json)?);
    Container::save(&container.dir, &container.record)
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Order, options};
    use crate::table;

    fn given(args: &[&str]) -> Result<Resources> {
        let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
        from_options(&options(table::command("update").unwrap().flags, &args, Order::Any).unwrap())
    }

    #[test]
    fn options_of_update() {
        let got = given(&["--memory", "64m", "x", "--pids-limit=7", "--cpu-quota", "-1"]).unwrap();
        assert_eq!(got.memory.unwrap().limit, Some(64 << 20));
        assert_eq!(got.pids.unwrap().limit, Some(7));
        assert_eq!(got.cpu.unwrap().quota, Some(-1));
        assert!(got.block_io.is_none());
        assert!(given(&["--memory", "x"]).is_err() && given(&["--cpu-share", "-1"]).is_err());
    }

    #[test]
    fn what_was_not_changed_stays() {
        let mut all = serde_json::json!({"memory": {"limit": 1, "swap": 2}, "pids": {"limit": 3}});
        merge(&mut all, serde_json::json!({"memory": {"limit": 9}}));
        assert_eq!(all, serde_json::json!({"memory": {"limit": 9, "swap": 2}, "pids": {"limit": 3}}));
    }
}
