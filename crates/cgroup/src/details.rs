//! Figures that only a close look wants: each costs files that [`crate::Stats`] does without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::stats::flat_keyed;
use crate::{Result, file};

/// Figures beside [`crate::Stats`]. What the kernel does not have is 0, empty or `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Details {
    /// Time in the kernel by CPU, in nanoseconds (v1).
    pub percpu_kernel: Vec<u64>,
    /// Time in user mode by CPU, in nanoseconds (v1).
    pub percpu_user: Vec<u64>,
    /// The cpuset (v1; zeros on v2).
    pub cpuset: CpusetStats,
    /// Memory and swap together.
    pub swap: MemoryEntry,
    /// Memory of the kernel (v1).
    pub kernel: MemoryEntry,
    /// Buffers of TCP (v1).
    pub kernel_tcp: MemoryEntry,
    /// `memory.events` (v2).
    pub memory_events: BTreeMap<String, u64>,
    /// Stalls for want of CPU, of memory, of IO (v2).
    pub cpu_pressure: Option<Pressure>,
    /// For want of memory.
    pub memory_pressure: Option<Pressure>,
    /// For want of IO.
    pub io_pressure: Option<Pressure>,
    /// RDMA devices, by name.
    pub rdma: BTreeMap<String, RdmaStats>,
}

/// A cpuset as v1 describes it (Documentation/admin-guide/cgroup-v1/cpusets.rst).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpusetStats {
    /// CPUs.
    pub cpus: Vec<u16>,
    /// Memory nodes.
    pub mems: Vec<u16>,
    /// The other files by their names, but for `cpuset.`.
    pub flags: BTreeMap<String, i64>,
}

/// One kind of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryEntry {
    /// Limit.
    pub limit: u64,
    /// In use.
    pub usage: u64,
    /// Most that was in use.
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Pressure stall information (Documentation/accounting/psi.rst).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// While at least one task stalled.
    pub some: Stall,
    /// While all did.
    pub full: Stall,
}

/// One line of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stall {
    /// Percent of the last 10 s.
    pub avg10: f64,
    /// Percent of the last 60 s.
    pub avg60: f64,
    /// Percent of the last 300 s.
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

/// One RDMA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RdmaStats {
    /// Handles in use.
    pub handles: u64,
    /// Objects in use.
    pub objects: u64,
    /// Limit of handles; [`u64::MAX`] when there is none.
    pub max_handles: u64,
    /// Limit of objects; [`u64::MAX`] when there is none.
    pub max_objects: u64,
}

/// Files of a v1 cpuset that are shown.
const CPUSET_FLAGS: [&str; 9] = [
    "cpu_exclusive",
    "mem_hardwall",
    "mem_exclusive",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
    "memory_pressure",
    "sched_load_balance",
    "sched_relax_domain_level",
];

/// Reads a v1 cgroup; `dir_of` finds its directory by controller.
pub(crate) fn read_v1(dir_of: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Details> {
    let mut details = Details::default();
    if let Some(dir) = dir_of("cpuacct") {
        let all = file::read_optional(&dir.join("cpuacct.usage_all"))?.unwrap_or_default();
        (details.percpu_user, details.percpu_kernel) = parse_usage_all(&all).into_iter().unzip();
    }
    if let Some(dir) = dir_of("cpuset") {
        let read = |name: &str| file::read_optional(&dir.join(format!("cpuset.{name}")));
        details.cpuset.cpus = parse_list(&read("cpus")?.unwrap_or_default());
        details.cpuset.mems = parse_list(&read("mems")?.unwrap_or_default());
        for name in CPUSET_FLAGS {
            if let Some(value) = read(name)?.and_then(|text| text.trim().parse().ok()) {
                details.cpuset.flags.insert(name.to_owned(), value);
            }
        }
    }
    if let Some(dir) = dir_of("memory") {
        let entry = |kind: &str| -> Result<MemoryEntry> {
            let read = |name: &str| number(&dir.join(format!("memory.{kind}.{name}")));
            Ok(MemoryEntry {
                limit: read("limit_in_bytes")?.unwrap_or(0),
                usage: read("usage_in_bytes")?.unwrap_or(0),
                max: read("max_usage_in_bytes")?.unwrap_or(0),
                failcnt: read("failcnt")?.unwrap_or(0),
            })
        };
        details.swap = entry("memsw")?;
        details.kernel = entry("kmem")?;
        details.kernel_tcp = entry("kmem.tcp")?;
    }
    if let Some(dir) = dir_of("rdma") {
        details.rdma = read_rdma(&dir)?;
    }
    Ok(details)
}

/// Reads a v2 cgroup.
pub(crate) fn read_v2(dir: &Path) -> Result<Details> {
    let read = |name: &str| number(&dir.join(name));
    let (usage, limit) = (read("memory.current")?.unwrap_or(0), read("memory.max")?.unwrap_or(u64::MAX));
    let swap = read("memory.swap.current")?.map(|swap| -> Result<MemoryEntry> {
        let limit = read("memory.swap.max")?.unwrap_or(u64::MAX).saturating_add(limit);
        let max = read("memory.swap.peak")?.unwrap_or(0);
        Ok(MemoryEntry { limit, usage: usage.saturating_add(swap), max, failcnt: 0 })
    });
    let pressure = |what: &str| -> Result<Option<Pressure>> {
        let path = dir.join(format!("{what}.pressure"));
        match file::read_optional(&path) {
            // Switched off at boot, or for this cgroup.
            Err(error) if error.errno() == Some(rustix::io::Errno::OPNOTSUPP) => Ok(None),
            other => Ok(other?.as_deref().and_then(parse_pressure)),
        }
    };
    Ok(Details {
        swap: swap.transpose()?.unwrap_or_default(),
        memory_events: flat_keyed(&file::read_optional(&dir.join("memory.events"))?.unwrap_or_default()),
        cpu_pressure: pressure("cpu")?,
        memory_pressure: pressure("memory")?,
        io_pressure: pressure("io")?,
        rdma: read_rdma(dir)?,
        ..Details::default()
    })
}

fn number(path: &Path) -> Result<Option<u64>> {
    match file::read_optional(path) {
        // Kernels that no longer count this kind.
        Err(error) if error.errno() == Some(rustix::io::Errno::OPNOTSUPP) => Ok(None),
        other => Ok(other?.as_deref().and_then(file::parse_number)),
    }
}

/// Lines `cpu user system` below a head line.
fn parse_usage_all(text: &str) -> Vec<(u64, u64)> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().skip(1).map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    };
    text.lines().filter_map(line).collect()
}

/// A list of numbers and ranges: `0-2,7`.
fn parse_list(text: &str) -> Vec<u16> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u16>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Lines `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full …`.
fn parse_pressure(text: &str) -> Option<Pressure> {
    let stall = |kind: &str| -> Option<Stall> {
        let rest = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let field = |name: &str| rest.split_whitespace().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let average = |name| field(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Some(Stall {
            avg10: average("avg10"),
            avg60: average("avg60"),
            avg300: average("avg300"),
            total: field("total")?.parse().ok()?,
        })
    };
    // Older kernels have no `full` line for the CPU.
    Some(Pressure { some: stall("some ")?, full: stall("full ").unwrap_or_default() })
}

/// Lines `mlx4_0 hca_handle=2 hca_object=2000` of `rdma.current` and `rdma.max`.
fn read_rdma(dir: &Path) -> Result<BTreeMap<String, RdmaStats>> {
    let mut found: BTreeMap<String, RdmaStats> = BTreeMap::new();
    for (name, is_limit) in [("rdma.current", false), ("rdma.max", true)] {
        for line in file::read_optional(&dir.join(name))?.unwrap_or_default().lines() {
            let mut fields = line.split_whitespace();
            let Some(device) = fields.next() else { continue };
            let stats = found.entry(device.to_owned()).or_default();
            for (key, value) in fields.filter_map(|field| field.split_once('=')) {
                let Some(value) = file::parse_number(value) else { continue };
                match (key, is_limit) {
                    ("hca_handle", false) => stats.handles = value,
                    ("hca_object", false) => stats.objects = value,
                    ("hca_handle", true) => stats.max_handles = value,
                    ("hca_object", true) => stats.max_objects = value,
                    _ => {}
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("directory");
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).expect("file");
        }
        dir
    }

    #[test]
    fn version_1() {
        let dir = fake(&[
            ("cpuacct.usage_all", "cpu user system\n0 5 6\n1 7 8\n"),
            ("cpuset.cpus", "0-1,4\n"),
            ("cpuset.mems", "0\n"),
            ("cpuset.sched_relax_domain_level", "-1\n"),
            ("memory.memsw.limit_in_bytes", "100\n"),
            ("memory.kmem.usage_in_bytes", "7\n"),
            ("memory.kmem.tcp.failcnt", "3\n"),
        ]);
        let details = read_v1(&|_| Some(dir.path().into())).expect("details");
        assert_eq!((details.percpu_user, details.percpu_kernel), (vec![5, 7], vec![6, 8]));
        assert_eq!((details.cpuset.cpus, details.cpuset.mems), (vec![0, 1, 4], vec![0]));
        assert_eq!(details.cpuset.flags, [("sched_relax_domain_level".to_owned(), -1)].into());
        assert_eq!((details.swap.limit, details.kernel.usage, details.kernel_tcp.failcnt), (100, 7, 3));
        assert_eq!(read_v1(&|_| None).expect("details"), Details::default());
    }

    #[test]
    fn version_2() {
        let dir = fake(&[
            ("memory.current", "10\n"),
            ("memory.max", "max\n"),
            ("memory.swap.current", "5\n"),
            ("memory.swap.max", "20\n"),
            ("memory.events", "low 0\nmax 4\n"),
            ("cpu.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\n"),
            ("io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0 avg60=2 avg300=0 total=2\n"),
            ("rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\n"),
            ("rdma.max", "mlx4_0 hca_handle=max hca_object=3000\n"),
        ]);
        let details = read_v2(dir.path()).expect("details");
        assert_eq!(details.swap, MemoryEntry { limit: u64::MAX, usage: 15, ..MemoryEntry::default() });
        assert_eq!(details.memory_events["max"], 4);
        let cpu = details.cpu_pressure.expect("pressure");
        assert_eq!((cpu.some.avg10, cpu.some.total, cpu.full.total), (1.5, 9, 0));
        assert_eq!(details.io_pressure.expect("pressure").full.avg60, 2.0);
        assert_eq!(details.memory_pressure, None);
        let wanted = RdmaStats { handles: 2, objects: 2000, max_handles: u64::MAX, max_objects: 3000 };
        assert_eq!(details.rdma["mlx4_0"], wanted);
    }
}
