//! `events`: statistics in the JSON that runc made, and notices of the OOM killer.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use cgroup::{BlkioEntry, CpusetStats, Details, MemoryEntry, Pressure, RdmaStats, Stall, Stats};
use oci::runtime::Status;
use runtime::rdt::Figures;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value, json};

use crate::Context;
use crate::error::{Error, Result, call};
use crate::help::say;
use crate::parse::Matches;
use crate::store::Container;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let interval = duration(matches.value("interval").unwrap_or("5s"))?;
    let container = context.store.load(&matches.take_first())?;
    if container.status()? == Status::Stopped {
        let id = container.record.id.clone();
        return Err(Error::Stopped { id });
    }
    if matches.flag("stats") {
        report(&container)?;
        return Ok(0);
    }
    follow(&container, interval)?;
    Ok(0)
}

fn report(container: &Container) -> Result<()> {
    let record = &container.record;
    let cgroup = record.cgroup.manager()?;
    let figures = runtime::rdt::figures(&record.spec, &record.id);
    event("stats", &record.id, view(&cgroup.stats()?, &cgroup.details()?, figures.as_ref()));
    Ok(())
}

fn event(kind: &str, id: &str, data: Value) {
    let mut event = json!({"type": kind, "id": id});
    if !data.is_null() {
        event["data"] = data;
    }
    say(&format!("{event}\n"));
}

/// Reports until the container ends.
fn follow(container: &Container, interval: Duration) -> Result<()> {
    let cgroup = container.record.cgroup.manager()?;
    let oom = cgroup.oom_watch().ok();
    let mut kills = cgroup.oom_count().unwrap_or(0);
    let pidfd = container.pidfd()?;
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
        if let Some(oom) = &oom {
            fds.push(PollFd::from_borrowed_fd(oom.as_fd(), PollFlags::IN | PollFlags::PRI));
        }
        match poll(&mut fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => drop(other.map_err(call("poll"))?),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if let Some(oom) = &oom
            && ready.get(1) == Some(&true)
        {
            let _ = oom.drain();
        }
        let now = cgroup.oom_count().unwrap_or(kills);
        if now > kills {
            kills = now;
            event("oom", &container.record.id, Value::Null);
        }
        if ready.first() == Some(&true) {
            return Ok(());
        }
        if Instant::now() >= next {
            report(container)?;
            next = Instant::now() + interval;
        }
    }
}

/// A duration as Go writes them: `5s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration> {
    let invalid = || Error::Value { option: "--interval", text: text.to_owned() };
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let number: f64 = rest.get(..digits).unwrap_or_default().parse().map_err(|_| invalid())?;
        rest = rest.get(digits..).unwrap_or_default();
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match rest.get(..unit_end).unwrap_or_default() {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(invalid()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())?;
        rest = rest.get(unit_end..).unwrap_or_default();
    }
    if total.is_zero() { Err(Error::Interval) } else { Ok(total) }
}

/// Figures in runc's shape. Fields that are 0 and that runc leaves out then are left out.
fn view(stats: &Stats, details: &Details, rdt: Option<&Figures>) -> Value {
    let hugetlb: Map<String, Value> = stats
        .hugetlb
        .iter()
        .map(|(size, h)| {
            let value = object([("usage", opt(h.usage)), ("max", opt(h.max_usage)), ("failcnt", json!(h.failcnt))]);
            (size.clone(), value)
        })
        .collect();
    object([
        ("cpu", cpu(stats, details)),
        ("cpuset", cpuset(&details.cpuset)),
        ("memory", memory(stats, details)),
        ("pids", object([("current", opt(stats.pids.current)), ("limit", opt(stats.pids.limit))])),
        ("blkio", blkio(&stats.blkio, details.io_pressure.as_ref())),
        ("hugetlb", Value::Object(hugetlb)),
        ("rdma", rdma(details)),
        ("intel_rdt", rdt.map_or_else(|| json!({}), intel_rdt)),
        // Of interfaces that the runtime made itself: it makes none.
        ("network_interfaces", Value::Null),
    ])
}

fn numbers(values: &[u64]) -> Value {
    list(values.iter().map(|n| json!(n)).collect())
}

fn cpu(stats: &Stats, details: &Details) -> Value {
    let cpu = &stats.cpu;
    let usage = object([
        ("total", opt(cpu.total)),
        ("percpu", numbers(&cpu.percpu)),
        ("percpu_kernel", numbers(&details.percpu_kernel)),
        ("percpu_user", numbers(&details.percpu_user)),
        ("kernel", json!(cpu.kernel)),
        ("user", json!(cpu.user)),
    ]);
    let throttling = object([
        ("periods", opt(cpu.periods)),
        ("throttledPeriods", opt(cpu.throttled_periods)),
        ("throttledTime", opt(cpu.throttled)),
    ]);
    object([("usage", usage), ("throttling", throttling), ("psi", psi(details.cpu_pressure.as_ref()))])
}

fn cpuset(cpuset: &CpusetStats) -> Value {
    let ids = |ids: &[u16]| list(ids.iter().map(|n| json!(n)).collect());
    let flag = |name: &str| json!(cpuset.flags.get(name).copied().unwrap_or(0));
    object([
        ("cpus", ids(&cpuset.cpus)),
        ("cpu_exclusive", flag("cpu_exclusive")),
        ("mems", ids(&cpuset.mems)),
        ("mem_hardwall", flag("mem_hardwall")),
        ("mem_exclusive", flag("mem_exclusive")),
        ("memory_migrate", flag("memory_migrate")),
        ("memory_spread_page", flag("memory_spread_page")),
        ("memory_spread_slab", flag("memory_spread_slab")),
        ("memory_pressure", flag("memory_pressure")),
        ("sched_load_balance", flag("sched_load_balance")),
        ("sched_relax_domain_level", flag("sched_relax_domain_level")),
    ])
}

fn memory(stats: &Stats, details: &Details) -> Value {
    let memory = &stats.memory;
    let cache = memory.stat.get("cache").or_else(|| memory.stat.get("file")).copied().unwrap_or(0);
    let entry = |entry: &MemoryEntry| {
        object([
            ("limit", json!(entry.limit)),
            ("usage", opt(entry.usage)),
            ("max", opt(entry.max)),
            ("failcnt", json!(entry.failcnt)),
        ])
    };
    let usage =
        MemoryEntry { limit: memory.limit, usage: memory.usage, max: memory.max_usage, failcnt: memory.failcnt };
    let events: Map<String, Value> =
        details.memory_events.iter().filter(|(_, n)| **n != 0).map(|(k, v)| (k.clone(), json!(v))).collect();
    object([
        ("cache", opt(cache)),
        ("usage", entry(&usage)),
        ("swap", entry(&details.swap)),
        ("kernel", entry(&details.kernel)),
        ("kernelTCP", entry(&details.kernel_tcp)),
        ("raw", Value::Object(memory.stat.iter().map(|(k, v)| (k.clone(), json!(v))).collect())),
        ("psi", psi(details.memory_pressure.as_ref())),
        ("event_count", if details.memory_events.is_empty() { Value::Null } else { Value::Object(events) }),
    ])
}

fn psi(pressure: Option<&Pressure>) -> Value {
    let stall = |s: &Stall| json!({"avg10": s.avg10, "avg60": s.avg60, "avg300": s.avg300, "total": s.total});
    pressure.map_or(Value::Null, |p| json!({"some": stall(&p.some), "full": stall(&p.full)}))
}

/// runc says nothing of these devices; left out where there are none.
fn rdma(details: &Details) -> Value {
    let limit = |n: u64| if n == u64::MAX { json!("max") } else { json!(n) };
    let device = |d: &RdmaStats| {
        json!({
            "handles": {"usage": d.handles, "limit": limit(d.max_handles)},
            "objects": {"usage": d.objects, "limit": limit(d.max_objects)}
        })
    };
    let devices: Map<String, Value> = details.rdma.iter().map(|(name, d)| (name.clone(), device(d))).collect();
    if devices.is_empty() { Value::Null } else { Value::Object(devices) }
}

fn intel_rdt(figures: &Figures) -> Value {
    let l3 = figures.l3.as_ref().map_or(Value::Null, |(mask, bits, classes)| {
        object([("cbm_mask", text(mask)), ("min_cbm_bits", opt(*bits)), ("num_closids", opt(*classes))])
    });
    let memory = figures.memory.map_or(Value::Null, |(granularity, linear, least, classes)| {
        object([
            ("bandwidth_gran", opt(granularity)),
            ("delay_linear", opt(linear)),
            ("min_bandwidth", opt(least)),
            ("num_closids", opt(classes)),
        ])
    });
    let moved = |(all, own): &(u64, u64)| json!({"mbm_total_bytes": all, "mbm_local_bytes": own});
    object([
        ("l3_cache_info", l3),
        ("l3_cache_schema_root", text(&figures.l3_schema.0)),
        ("l3_cache_schema", text(&figures.l3_schema.1)),
        ("mem_bw_info", memory),
        ("mem_bw_schema_root", text(&figures.memory_schema.0)),
        ("mem_bw_schema", text(&figures.memory_schema.1)),
        ("mbm_stats", list(figures.bandwidth.iter().map(moved).collect())),
        ("cmt_stats", list(figures.occupancy.iter().map(|bytes| json!({"llc_occupancy": bytes})).collect())),
    ])
}

fn blkio(stats: &cgroup::BlkioStats, pressure: Option<&Pressure>) -> Value {
    let table = |entries: &[BlkioEntry]| {
        let entry = |e: &BlkioEntry| {
            object([("major", opt(e.major)), ("minor", opt(e.minor)), ("op", text(&e.op)), ("value", opt(e.value))])
        };
        list(entries.iter().map(entry).collect())
    };
    object([
        ("ioServiceBytesRecursive", table(&stats.service_bytes)),
        ("ioServicedRecursive", table(&stats.serviced)),
        ("ioQueueRecursive", table(&stats.queued)),
        ("ioServiceTimeRecursive", table(&stats.service_time)),
        ("ioWaitTimeRecursive", table(&stats.wait_time)),
        ("ioMergedRecursive", table(&stats.merged)),
        ("ioTimeRecursive", table(&stats.time)),
        ("sectorsRecursive", table(&stats.sectors)),
        ("psi", psi(pressure)),
    ])
}

/// An object without what is left out.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let kept = fields.into_iter().filter(|(name, value)| !value.is_null() || *name == "network_interfaces");
    Value::Object(kept.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Left out when 0.
fn opt(number: u64) -> Value {
    if number == 0 { Value::Null } else { json!(number) }
}

/// Left out when empty.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// Left out when empty.
fn list(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Null } else { Value::Array(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert!(duration("5").is_err() && duration("x").is_err() && duration("0s").is_err());
    }

    #[test]
    fn shape() {
        let mut stats = Stats::default();
        stats.cpu.total = 5;
        stats.memory.limit = 7;
        let mut details = Details { percpu_user: vec![1, 2], ..Details::default() };
        details.cpuset.cpus = vec![0, 3];
        details.cpuset.flags.insert("sched_relax_domain_level".to_owned(), -1);
        let shown = view(&stats, &details, None);
        assert_eq!(shown["cpu"]["usage"], json!({"total": 5, "percpu_user": [1, 2], "kernel": 0, "user": 0}));
        assert_eq!(shown["memory"]["usage"], json!({"limit": 7, "failcnt": 0}));
        assert_eq!(shown["pids"], json!({}));
        assert_eq!(shown["cpuset"]["cpus"], json!([0, 3]));
        assert_eq!(shown["cpuset"]["sched_relax_domain_level"], -1);
        assert!(shown.get("rdma").is_none() && shown["cpu"].get("psi").is_none());
        assert_eq!((&shown["intel_rdt"], &shown["network_interfaces"]), (&json!({}), &Value::Null));
    }

    #[test]
    fn where_there_is_more() {
        let stall = Stall { avg10: 1.5, total: 3, ..Stall::default() };
        let mut details = Details {
            cpu_pressure: Some(Pressure { some: stall, full: Stall::default() }),
            memory_events: [("max".to_owned(), 2), ("low".to_owned(), 0)].into(),
            ..Details::default()
        };
        details.rdma.insert("mlx4_0".to_owned(), RdmaStats { max_handles: u64::MAX, ..RdmaStats::default() });
        let figures = Figures { l3: Some(("ff".to_owned(), 1, 4)), occupancy: vec![9], ..Figures::default() };
        let shown = view(&Stats::default(), &details, Some(&figures));
        assert_eq!(shown["cpu"]["psi"]["some"], json!({"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 3}));
        assert_eq!(shown["memory"]["event_count"], json!({"max": 2}));
        assert_eq!(shown["rdma"]["mlx4_0"]["handles"], json!({"usage": 0, "limit": "max"}));
        let wanted = json!({"l3_cache_info": {"cbm_mask": "ff", "min_cbm_bits": 1, "num_closids": 4},
            "cmt_stats": [{"llc_occupancy": 9}]});
        assert_eq!(shown["intel_rdt"], wanted);
    }
}
