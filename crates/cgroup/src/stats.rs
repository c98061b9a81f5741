//! Figures of a cgroup, in one shape for v1 and v2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result, file};

/// Nanoseconds per tick of cpuacct.stat (USER_HZ is 100 on every Linux).
const TICK_NS: u64 = 10_000_000;

/// All figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// CPU.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub blkio: BlkioStats,
    /// Huge pages by page size (`2MB`).
    pub hugetlb: BTreeMap<String, HugetlbStats>,
}

/// CPU time, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuStats {
    /// All.
    pub total: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub kernel: u64,
    /// By CPU (v1 only, else empty).
    pub percpu: Vec<u64>,
    /// CFS periods that passed.
    pub periods: u64,
    /// Periods in which it was throttled.
    pub throttled_periods: u64,
    /// Time for which it was throttled.
    pub throttled: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// In use, with page cache.
    pub usage: u64,
    /// Most that was in use (0 when the kernel does not say).
    pub max_usage: u64,
    /// Limit; [`u64::MAX`] on v2 and about 2^63 on v1 when there is none.
    pub limit: u64,
    /// How often the limit was hit (v1), or how often that came to OOM (v2).
    pub failcnt: u64,
    /// Swap in use: memory+swap on v1, swap alone on v2.
    pub swap: Option<u64>,
    /// memory.stat as the kernel has it.
    pub stat: BTreeMap<String, u64>,
}

/// Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PidsStats {
    /// How many.
    pub current: u64,
    /// Limit; 0 is none.
    pub limit: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HugetlbStats {
    /// In use.
    pub usage: u64,
    /// Most that was in use (v1).
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Block device figures; v2 has the first two only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlkioStats {
    /// Bytes.
    pub service_bytes: Vec<BlkioEntry>,
    /// Operations.
    pub serviced: Vec<BlkioEntry>,
    /// Operations queued.
    pub queued: Vec<BlkioEntry>,
    /// Nanoseconds from dispatch to completion.
    pub service_time: Vec<BlkioEntry>,
    /// Nanoseconds waited in queues.
    pub wait_time: Vec<BlkioEntry>,
    /// Requests merged.
    pub merged: Vec<BlkioEntry>,
    /// Milliseconds of device time.
    pub time: Vec<BlkioEntry>,
    /// Sectors.
    pub sectors: Vec<BlkioEntry>,
}

/// One figure of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlkioEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total` (v1), `read` or `write` (v2), or empty.
    pub op: String,
    /// Figure.
    pub value: u64,
}

/// Reads a v1 cgroup; `dir_of` finds its directory by controller.
pub(crate) fn read_v1(dir_of: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Stats> {
    let mut stats = Stats::default();
    if let Some(dir) = dir_of("cpuacct") {
        stats.cpu.total = file::read_number(&dir.join("cpuacct.usage"))?;
        let split = flat_keyed(&file::read(&dir.join("cpuacct.stat"))?);
        stats.cpu.user = split.get("user").copied().unwrap_or(0).saturating_mul(TICK_NS);
        stats.cpu.kernel = split.get("system").copied().unwrap_or(0).saturating_mul(TICK_NS);
        let percpu = file::read_optional(&dir.join("cpuacct.usage_percpu"))?.unwrap_or_default();
        stats.cpu.percpu = percpu.split_whitespace().filter_map(|value| value.parse().ok()).collect();
    }
    if let Some(dir) = dir_of("cpu") {
        let stat = flat_keyed(&file::read_optional(&dir.join("cpu.stat"))?.unwrap_or_default());
        let get = |key| stat.get(key).copied().unwrap_or(0);
        stats.cpu.periods = get("nr_periods");
        stats.cpu.throttled_periods = get("nr_throttled");
        stats.cpu.throttled = get("throttled_time");
    }
    if let Some(dir) = dir_of("memory") {
        stats.memory.usage = file::read_number(&dir.join("memory.usage_in_bytes"))?;
        stats.memory.max_usage = file::read_number(&dir.join("memory.max_usage_in_bytes"))?;
        stats.memory.failcnt = file::read_number(&dir.join("memory.failcnt"))?;
        stats.memory.limit = file::read_number(&dir.join("memory.limit_in_bytes"))?;
        let swap = file::read_optional(&dir.join("memory.memsw.usage_in_bytes"))?;
        stats.memory.swap = swap.as_deref().and_then(file::parse_number);
        stats.memory.stat = flat_keyed(&file::read(&dir.join("memory.stat"))?);
    }
    if let Some(dir) = dir_of("pids") {
        stats.pids = read_pids(&dir)?;
    }
    if let Some(dir) = dir_of("blkio") {
        stats.blkio = read_blkio(&dir)?;
    }
    if let Some(dir) = dir_of("hugetlb") {
        stats.hugetlb = read_hugetlb(&dir, ".usage_in_bytes")?;
    }
    Ok(stats)
}

/// Reads a v2 cgroup.
pub(crate) fn read_v2(dir: &Path) -> Result<Stats> {
    let mut stats = Stats::default();
    // cpu.stat is there without the controller too, so a missing one means a missing cgroup.
    let cpu = flat_keyed(&file::read(&dir.join("cpu.stat"))?);
    let get = |key| cpu.get(key).copied().unwrap_or(0_u64);
    stats.cpu.total = get("usage_usec").saturating_mul(1000);
    stats.cpu.user = get("user_usec").saturating_mul(1000);
    stats.cpu.kernel = get("system_usec").saturating_mul(1000);
    stats.cpu.periods = get("nr_periods");
    stats.cpu.throttled_periods = get("nr_throttled");
    stats.cpu.throttled = get("throttled_usec").saturating_mul(1000);
    if let Some(usage) = file::read_optional(&dir.join("memory.current"))? {
        let optional = |name: &str| -> Result<Option<u64>> {
            Ok(file::read_optional(&dir.join(name))?.as_deref().and_then(file::parse_number))
        };
        stats.memory.usage = file::parse_number(&usage).unwrap_or(0);
        stats.memory.limit = optional("memory.max")?.unwrap_or(u64::MAX);
        stats.memory.max_usage = optional("memory.peak")?.unwrap_or(0);
        stats.memory.swap = optional("memory.swap.current")?;
        let events = flat_keyed(&file::read_optional(&dir.join("memory.events"))?.unwrap_or_default());
        stats.memory.failcnt = events.get("oom").copied().unwrap_or(0);
        stats.memory.stat = flat_keyed(&file::read_optional(&dir.join("memory.stat"))?.unwrap_or_default());
    }
    if dir.join("pids.current").exists() {
        stats.pids = read_pids(dir)?;
    }
    stats.blkio = parse_io_stat(&file::read_optional(&dir.join("io.stat"))?.unwrap_or_default());
    stats.hugetlb = read_hugetlb(dir, ".current")?;
    Ok(stats)
}

fn read_pids(dir: &Path) -> Result<PidsStats> {
    let limit = match file::read_optional(&dir.join("pids.max"))?.as_deref().and_then(file::parse_number) {
        Some(u64::MAX) | None => 0,
        Some(limit) => limit,
    };
    Ok(PidsStats { current: file::read_number(&dir.join("pids.current"))?, limit })
}

/// The throttling layer counts always, the schedulers only when in use and then in more detail.
fn read_blkio(dir: &Path) -> Result<BlkioStats> {
    let table = |names: &[String]| -> Result<Vec<BlkioEntry>> {
        for name in names {
            let entries = parse_blkio(&file::read_optional(&dir.join(name))?.unwrap_or_default());
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    };
    let scheduled = |what: &str| table(&[format!("blkio.bfq.{what}_recursive"), format!("blkio.{what}_recursive")]);
    let counted = |what: &str| {
        table(&[
            format!("blkio.bfq.{what}_recursive"),
            format!("blkio.{what}_recursive"),
            format!("blkio.throttle.{what}_recursive"),
            format!("blkio.throttle.{what}"),
        ])
    };
    Ok(BlkioStats {
        service_bytes: counted("io_service_bytes")?,
        serviced: counted("io_serviced")?,
        queued: scheduled("io_queued")?,
        service_time: scheduled("io_service_time")?,
        wait_time: scheduled("io_wait_time")?,
        merged: scheduled("io_merged")?,
        time: scheduled("time")?,
        sectors: scheduled("sectors")?,
    })
}

/// Lines `8:0 Read 123` or `8:0 123`; the sum at the end has no device.
fn parse_blkio(text: &str) -> Vec<BlkioEntry> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (major, minor) = device(fields.next()?)?;
            let second = fields.next()?;
            let (op, value) = fields.next().map_or(("", second), |third| (second, third));
            Some(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().ok()? })
        })
        .collect()
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn parse_io_stat(text: &str) -> BlkioStats {
    let mut stats = BlkioStats::default();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some((major, minor)) = fields.next().and_then(device) else { continue };
        for field in fields {
            let Some((key, value)) = field.split_once('=') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (table, op) = match key {
                "rbytes" => (&mut stats.service_bytes, "read"),
                "wbytes" => (&mut stats.service_bytes, "write"),
                "rios" => (&mut stats.serviced, "read"),
                "wios" => (&mut stats.serviced, "write"),
                _ => continue,
            };
            table.push(BlkioEntry { major, minor, op: op.to_owned(), value });
        }
    }
    stats
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// One entry for each file `hugetlb.<size><suffix>`.
fn read_hugetlb(dir: &Path, suffix: &str) -> Result<BTreeMap<String, HugetlbStats>> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(dir).map_err(|error| Error::Io {
        operation: "readdir",
        path: dir.into(),
        errno: rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO),
    })?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let size = name.to_str().and_then(|name| name.strip_prefix("hugetlb.")?.strip_suffix(suffix));
        let Some(size) = size.filter(|size| !size.contains('.')) else { continue };
        let optional = |name: &str| -> Result<u64> {
            let text = file::read_optional(&dir.join(format!("hugetlb.{size}.{name}")))?;
            Ok(text.as_deref().and_then(file::parse_number).unwrap_or(0))
        };
        let events = file::read_optional(&dir.join(format!("hugetlb.{size}.events")))?.unwrap_or_default();
        let failcnt = match flat_keyed(&events).get("max") {
            Some(count) => *count,
            None => optional("failcnt")?,
        };
        let stats = HugetlbStats {
            usage: file::read_number(&entry.path())?,
            max_usage: optional("max_usage_in_bytes")?,
            failcnt,
        };
        found.insert(size.to_owned(), stats);
    }
    Ok(found)
}

/// Lines `key value`.
pub(crate) fn flat_keyed(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blkio_lines() {
        let entries = parse_blkio("8:0 Read 5\n8:0 Write 6\n8:16 7\nTotal 11\n");
        let seen: Vec<_> = entries.iter().map(|e| (e.major, e.minor, e.op.as_str(), e.value)).collect();
        assert_eq!(seen, [(8, 0, "Read", 5), (8, 0, "Write", 6), (8, 16, "", 7)]);
    }

    #[test]
    fn io_stat_lines() {
        let stats = parse_io_stat("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9 dios=9\n254:0 \n");
        assert_eq!(
            stats.service_bytes.iter().map(|e| (e.op.as_str(), e.value)).collect::<Vec<_>>(),
            [("read", 1), ("write", 2)]
        );
        assert_eq!(stats.serviced.iter().map(|e| e.value).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn v2_directory() {
        let dir = tempfile::tempdir().expect("directory");
        for (name, content) in [
            ("cpu.stat", "usage_usec 10\nuser_usec 4\nsystem_usec 6\nnr_periods 1\nnr_throttled 2\nthrottled_usec 3\n"),
            ("memory.current", "4096\n"),
            ("memory.max", "max\n"),
            ("memory.events", "oom 2\noom_kill 1\n"),
            ("memory.stat", "anon 1\nfile 2\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            ("hugetlb.2MB.current", "8\n"),
            ("hugetlb.2MB.events", "max 4\n"),
            ("hugetlb.2MB.rsvd.current", "8\n"),
        ] {
            std::fs::write(dir.path().join(name), content).expect("file");
        }
        let stats = read_v2(dir.path()).expect("stats");
        assert_eq!((stats.cpu.total, stats.cpu.kernel, stats.cpu.throttled), (10_000, 6000, 3000));
        assert_eq!((stats.memory.usage, stats.memory.limit, stats.memory.failcnt), (4096, u64::MAX, 2));
        assert_eq!(stats.memory.stat["file"], 2);
        assert_eq!(stats.pids, PidsStats { current: 3, limit: 0 });
        assert_eq!(stats.hugetlb["2MB"], HugetlbStats { usage: 8, max_usage: 0, failcnt: 4 });
        assert_eq!(stats.hugetlb.len(), 1);
    }
}
