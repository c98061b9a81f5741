//! `GET /containers/{id}/stats`.

use std::time::Duration;

use api_types::stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, StatsResponse, ThrottlingData,
};
use engine::{Sample, Traffic};

use crate::handlers::{Request, Result, convert};
use crate::http::JsonLines;

const PERIOD: Duration = Duration::from_secs(1);

/// Streams samples, one a second; or gives one.
pub(crate) async fn stats(request: Request) -> Result {
    let stream = request.form.bool_or("stream", true);
    let one_shot = request.form.bool_or("one-shot", false);
    let containers = request.state.engine.containers.clone();
    let mut now = containers.sample(&request.name).await?;
    let mut before = None;
    if !stream && !one_shot && now.running {
        // CPU shares are differences: one sample alone says nothing.
        tokio::time::sleep(PERIOD).await;
        before = Some(now);
        now = containers.sample(&request.name).await?;
    }
    let (lines, response) = JsonLines::open(api_types::MEDIA_TYPE_JSON);
    tokio::spawn(async move {
        loop {
            if send(&request, &lines, &now, before.as_ref()).await.is_err() || !stream {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = lines.closed() => return,
            }
            // A container that is gone ends the stream.
            let Ok(next) = containers.sample(&now.id).await else { return };
            before = Some(std::mem::replace(&mut now, next));
        }
    });
    Ok(response)
}

async fn send(request: &Request, lines: &JsonLines, now: &Sample, before: Option<&Sample>) -> std::io::Result<()> {
    let shown = shown(now, before);
    if !api_compat::downgrades(request.version, request.operation) {
        return lines.send(&shown).await;
    }
    let mut value = serde_json::to_value(&shown)?;
    api_compat::downgrade(request.version, request.operation, &mut value);
    lines.send(&value).await
}

fn shown(now: &Sample, before: Option<&Sample>) -> StatsResponse {
    StatsResponse {
        id: now.id.clone(),
        name: format!("/{}", now.name),
        os_type: "linux".to_owned(),
        read: if now.running { convert::time(now.at) } else { convert::time(0) },
        cpu_stats: cpu(now),
        memory_stats: if now.running { memory(now) } else { MemoryStats::default() },
        networks: now.networks.as_ref().map(|n| n.iter().map(|(k, t)| (k.clone(), network(t))).collect()),
        pids_stats: PidsStats {
            current: now.cgroup.pids.current,
            limit: match now.cgroup.pids.limit {
                // No limit is shown as the largest number, as Docker has it.
                0 if now.running => u64::MAX,
                limit => limit,
            },
        },
        blkio_stats: blkio(now),
        preread: before.map_or_else(|| convert::time(0), |b| convert::time(b.at)),
        precpu_stats: before.map(cpu).unwrap_or_default(),
        ..StatsResponse::default()
    }
}

fn cpu(sample: &Sample) -> CpuStats {
    let cpu = &sample.cgroup.cpu;
    CpuStats {
        cpu_usage: CpuUsage {
            total_usage: cpu.total,
            percpu_usage: convert::none_if_empty(cpu.percpu.clone()),
            usage_in_kernelmode: cpu.kernel,
            usage_in_usermode: cpu.user,
        },
        system_cpu_usage: sample.system_cpu,
        online_cpus: sample.cpus,
        throttling_data: ThrottlingData {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled,
        },
    }
}

fn memory(sample: &Sample) -> MemoryStats {
    let memory = &sample.cgroup.memory;
    MemoryStats {
        usage: memory.usage,
        max_usage: memory.max_usage,
        stats: memory.stat.clone(),
        failcnt: memory.failcnt,
        // Without a limit of its own a container has the host's memory.
        limit: if sample.host_memory > 0 { memory.limit.min(sample.host_memory) } else { memory.limit },
    }
}

fn network(traffic: &Traffic) -> NetworkStats {
    let ([rx_bytes, rx_packets, rx_errors, rx_dropped], [tx_bytes, tx_packets, tx_errors, tx_dropped]) =
        (traffic.received, traffic.sent);
    NetworkStats { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped }
}

fn blkio(sample: &Sample) -> BlkioStats {
    let entries = |all: &[cgroup::BlkioEntry]| {
        let one = |e: &cgroup::BlkioEntry| BlkioEntry {
            major: e.major,
            minor: e.minor,
            op: e.op.to_ascii_lowercase(),
            value: e.value,
        };
        convert::none_if_empty(all.iter().map(one).collect())
    };
    let blkio = &sample.cgroup.blkio;
    BlkioStats {
        io_service_bytes_recursive: entries(&blkio.service_bytes),
        io_serviced_recursive: entries(&blkio.serviced),
        io_queue_recursive: entries(&blkio.queued),
        io_service_time_recursive: entries(&blkio.service_time),
        io_wait_time_recursive: entries(&blkio.wait_time),
        io_merged_recursive: entries(&blkio.merged),
        io_time_recursive: entries(&blkio.time),
        sectors_recursive: entries(&blkio.sectors),
    }
}
