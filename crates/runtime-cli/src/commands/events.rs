//! `events`: statistics in the JSON that runc made, and notices of the OOM killer.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use cgroup::{BlkioEntry, Stats};
use oci::runtime::Status;
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
    let stats = container.record.cgroup.manager()?.stats()?;
    event("stats", &container.record.id, view(&stats));
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
fn view(stats: &Stats) -> Value {
    let memory = &stats.memory;
    let stat = |name: &str| memory.stat.get(name).copied().unwrap_or(0);
    let swap = match memory.swap {
        // v2 counts swap alone, runc both.
        Some(swap) if memory.stat.contains_key("anon") => swap.saturating_add(memory.usage),
        swap => swap.unwrap_or(0),
    };
    let cache = memory.stat.get("cache").or_else(|| memory.stat.get("file")).copied().unwrap_or(0);
    let entry = |limit: u64, usage: u64, max: u64, failcnt: u64| {
        object([("limit", json!(limit)), ("usage", opt(usage)), ("max", opt(max)), ("failcnt", json!(failcnt))])
    };
    let hugetlb: Map<String, Value> = stats
        .hugetlb
        .iter()
        .map(|(size, h)| {
            let value = object([("usage", opt(h.usage)), ("max", opt(h.max_usage)), ("failcnt", json!(h.failcnt))]);
            (size.clone(), value)
        })
        .collect();
    object([
        (
            "cpu",
            object([
                (
                    "usage",
                    object([
                        ("total", opt(stats.cpu.total)),
                        ("percpu", list(stats.cpu.percpu.iter().map(|n| json!(n)).collect())),
                        ("kernel", json!(stats.cpu.kernel)),
                        ("user", json!(stats.cpu.user)),
                    ]),
                ),
                (
                    "throttling",
                    object([
                        ("periods", opt(stats.cpu.periods)),
                        ("throttledPeriods", opt(stats.cpu.throttled_periods)),
                        ("throttledTime", opt(stats.cpu.throttled)),
                    ]),
                ),
            ]),
        ),
        (
            "cpuset",
            json!({"cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0, "memory_spread_page": 0, "memory_spread_slab": 0, "sched_load_balance": 0, "sched_relax_domain_level": 0}),
        ),
        (
            "memory",
            object([
                ("cache", opt(cache)),
                ("usage", entry(memory.limit, memory.usage, memory.max_usage, memory.failcnt)),
                ("swap", entry(stats_limit(stat("hierarchical_memsw_limit")), swap, 0, 0)),
                ("kernel", entry(0, 0, 0, 0)),
                ("kernelTCP", entry(0, 0, 0, 0)),
                ("raw", Value::Object(memory.stat.iter().map(|(k, v)| (k.clone(), json!(v))).collect())),
            ]),
        ),
        ("pids", object([("current", opt(stats.pids.current)), ("limit", opt(stats.pids.limit))])),
        ("blkio", blkio(&stats.blkio)),
        ("hugetlb", Value::Object(hugetlb)),
        ("intel_rdt", json!({})),
        ("network_interfaces", Value::Null),
    ])
}

fn stats_limit(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

fn blkio(stats: &cgroup::BlkioStats) -> Value {
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
        let view = view(&stats);
        assert_eq!(view["cpu"]["usage"], json!({"total": 5, "kernel": 0, "user": 0}));
        assert_eq!(view["memory"]["usage"], json!({"limit": 7, "failcnt": 0}));
        assert_eq!(view["pids"], json!({}));
    }
}
