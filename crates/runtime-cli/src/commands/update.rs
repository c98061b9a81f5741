//! `update`

use std::io::Read as _;
use std::num::{IntErrorKind, ParseIntError};

use oci::runtime::{BlockIo, Cpu, IntelRdt, Memory, Pids, Resources};
use serde_json::Value;

use crate::Context;
use crate::error::{Error, Result, io};
use crate::parse::Matches;
use crate::store::Container;

/// Most bytes of a document that are read.
const LIMIT: u64 = 1024 * 1024;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let (mut container, _lock) = context.store.lock(&matches.take_first())?;
    let changed = match matches.value("resources") {
        Some(path) => read(path)?,
        None => from_options(matches)?,
    };
    let given = |option| matches.value(option).unwrap_or_default();
    let schemas = (given("l3-cache-schema"), given("mem-bw-schema"));
    let class = (schemas != ("", "")).then(|| class(&container, schemas)).transpose()?;
    container.record.cgroup.update(&changed)?;
    if let (Some(class), Some(linux)) = (class, &mut container.record.spec.linux) {
        linux.intel_rdt = Some(class);
    }
    remember(container, &changed)?;
    Ok(0)
}

/// Changes the class of Intel RDT.
fn class(container: &Container, schemas: (&str, &str)) -> Result<IntelRdt> {
    let record = &container.record;
    let present = record.spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref());
    Ok(runtime::rdt::update(present, &record.id, record.pid, schemas)?)
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

/// What Go's `strconv` says of a text that is no number.
fn not_a_number(option: &'static str, parser: &'static str, text: &str, fault: &ParseIntError) -> Error {
    let range = matches!(fault.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
    let why = if range { "value out of range" } else { "invalid syntax" };
    Error::NoNumber { option, what: format!("strconv.{parser}: parsing {text:?}: {why}") }
}

/// Bytes with an optional unit (`64m`), or -1.
fn bytes(option: &'static str, matches: &Matches) -> Result<Option<i64>> {
    let Some(text) = matches.value(option).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let invalid = || Error::NoNumber { option, what: format!("invalid size: '{text}'") };
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
    for (option, what) in [("kernel-memory", "Kernel memory"), ("kernel-memory-tcp", "Kernel memory")] {
        if matches.value(option).is_some_and(|text| !text.is_empty()) {
            let text = format!("{what} settings are ignored and will be removed");
            crate::report::Report::default().line("warning", &text);
            break;
        }
    }
    let given = |option: &str| matches.value(option).filter(|text| !text.is_empty());
    let number = |option: &'static str| -> Result<Option<i64>> {
        given(option).map(|text| text.parse().map_err(|e| not_a_number(option, "ParseInt", text, &e))).transpose()
    };
    let positive = |option: &'static str| -> Result<Option<u64>> {
        given(option).map(|text| text.parse().map_err(|e| not_a_number(option, "ParseUint", text, &e))).transpose()
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
        limit: bytes("memory", matches)?,
        reservation: bytes("memory-reservation", matches)?,
        swap: bytes("memory-swap", matches)?,
        ..Memory::default()
    };
    let weight = matches.number("blkio-weight")?.filter(|weight| *weight != 0);
    let weight = weight.map(|weight| {
        u16::try_from(weight).map_err(|_| Error::Value { option: "--blkio-weight", text: weight.to_string() })
    });
    Ok(Resources {
        cpu: (cpu != Cpu::default()).then_some(cpu),
        memory: (memory != Memory::default()).then_some(memory),
        pids: matches.number("pids-limit")?.filter(|n| *n != 0).map(|limit| Pids { limit: Some(limit) }),
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
        let text = |args: &[&str]| given(args).unwrap_err().to_string();
        assert_eq!(text(&["--memory", "x"]), "invalid value for memory: invalid size: 'x'");
        let wanted = "invalid value for cpu-share: strconv.ParseUint: parsing \"-1\": invalid syntax";
        assert_eq!(text(&["--cpu-share", "-1"]), wanted);
        let wanted =
            "invalid value for cpu-idle: strconv.ParseInt: parsing \"99999999999999999999\": value out of range";
        assert_eq!(text(&["--cpu-idle", "99999999999999999999"]), wanted);
    }

    #[test]
    fn what_was_not_changed_stays() {
        let mut all = serde_json::json!({"memory": {"limit": 1, "swap": 2}, "pids": {"limit": 3}});
        merge(&mut all, serde_json::json!({"memory": {"limit": 9}}));
        assert_eq!(all, serde_json::json!({"memory": {"limit": 9, "swap": 2}, "pids": {"limit": 3}}));
    }
}
