//! `GET /containers/{id}/stats`.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::is_default;

/// One sample, with the one before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsResponse {
    /// The container's id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its name, with the slash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `linux`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_type: String,
    /// When this sample was taken, RFC 3339.
    pub read: String,
    /// CPU.
    pub cpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// By interface; absent without a network of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Map<NetworkStats>>,
    /// Tasks.
    pub pids_stats: PidsStats,
    /// Block devices.
    pub blkio_stats: BlkioStats,
    /// Windows only; 0.
    pub num_procs: u32,
    /// Windows only; empty.
    pub storage_stats: StorageStats,
    /// When the sample before was taken; year 1 if there was none.
    pub preread: String,
    /// CPU at that time.
    pub precpu_stats: CpuStats,
}

/// CPU figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// Of the container.
    pub cpu_usage: CpuUsage,
    /// Of the whole host, nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub system_cpu_usage: u64,
    /// CPUs the container can use.
    #[serde(skip_serializing_if = "is_default")]
    pub online_cpus: u32,
    /// How the quota held it back.
    pub throttling_data: ThrottlingData,
}

/// CPU time, nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All.
    pub total_usage: u64,
    /// By CPU (cgroup v1 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percpu_usage: Option<Vec<u64>>,
    /// In the kernel.
    pub usage_in_kernelmode: u64,
    /// In user space.
    pub usage_in_usermode: u64,
}

/// What the CPU quota did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    /// Periods that passed.
    pub periods: u64,
    /// Periods in which it was held back.
    pub throttled_periods: u64,
    /// For how long, nanoseconds.
    pub throttled_time: u64,
}

/// Memory, bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// In use, with page cache.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    /// The most that ever was (cgroup v1 only).
    #[serde(skip_serializing_if = "is_default")]
    pub max_usage: u64,
    /// The kernel's `memory.stat`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub stats: Map<u64>,
    /// How often the limit was hit.
    #[serde(skip_serializing_if = "is_default")]
    pub failcnt: u64,
    /// The limit, or the host's memory.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

/// Figures of one interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Receive errors.
    pub rx_errors: u64,
    /// Incoming packets dropped.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Send errors.
    pub tx_errors: u64,
    /// Outgoing packets dropped.
    pub tx_dropped: u64,
}

/// Tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// Now.
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    /// At most.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

/// Block device figures; each list is `null` where the kernel has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    /// Bytes by device and operation.
    pub io_service_bytes_recursive: Option<Vec<BlkioEntry>>,
    /// Operations by device and operation.
    pub io_serviced_recursive: Option<Vec<BlkioEntry>>,
    /// Queued operations.
    pub io_queue_recursive: Option<Vec<BlkioEntry>>,
    /// Time in service.
    pub io_service_time_recursive: Option<Vec<BlkioEntry>>,
    /// Time waited.
    pub io_wait_time_recursive: Option<Vec<BlkioEntry>>,
    /// Merged operations.
    pub io_merged_recursive: Option<Vec<BlkioEntry>>,
    /// Device time.
    pub io_time_recursive: Option<Vec<BlkioEntry>>,
    /// Sectors.
    pub sectors_recursive: Option<Vec<BlkioEntry>>,
}

/// One figure of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Device number, major.
    pub major: u64,
    /// Device number, minor.
    pub minor: u64,
    /// `read`, `write`, …
    pub op: String,
    /// The figure.
    pub value: u64,
}

/// Windows only: always `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageStats {}
