//! `docker update`

use serde_json::{Value, json};
use units::restart::RestartPolicy;

use crate::app::App;
use crate::command::each;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// `docker update`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    if !m.command.flags().any(|f| m.given(f.name)) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let restart = RestartPolicy::parse(m.text("restart"))?;
    let cpus = if m.given("cpus") { units::limit::parse_cpus(m.text("cpus"))? } else { 0 };
    let pids = m.int("pids-limit");
    let body = json!({
        "CpuShares": m.int("cpu-shares"), "Memory": m.bytes("memory"), "NanoCpus": cpus, "CgroupParent": "",
        "BlkioWeight": m.int("blkio-weight"), "BlkioWeightDevice": null, "BlkioDeviceReadBps": null,
        "BlkioDeviceWriteBps": null, "BlkioDeviceReadIOps": null, "BlkioDeviceWriteIOps": null,
        "CpuPeriod": m.int("cpu-period"), "CpuQuota": m.int("cpu-quota"),
        "CpuRealtimePeriod": m.int("cpu-rt-period"), "CpuRealtimeRuntime": m.int("cpu-rt-runtime"),
        "CpusetCpus": m.text("cpuset-cpus"), "CpusetMems": m.text("cpuset-mems"), "Devices": null,
        "DeviceCgroupRules": null, "DeviceRequests": null, "MemoryReservation": m.bytes("memory-reservation"),
        "MemorySwap": m.bytes("memory-swap"), "MemorySwappiness": null, "OomKillDisable": null,
        "PidsLimit": if pids == 0 { Value::Null } else { pids.into() }, "Ulimits": null,
        "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
        "RestartPolicy": {"Name": restart.name, "MaximumRetryCount": restart.maximum_retry_count},
    });
    let mut warnings = Vec::new();
    let outcome = each(&m.args, |name| {
        let answer = client::container::update(app.client()?, name, &body)?;
        let told = answer["Warnings"].as_array().into_iter().flatten();
        warnings.extend(told.filter_map(Value::as_str).map(str::to_owned));
        console::line(name)
    });
    if !warnings.is_empty() {
        console::line(&warnings.join("\n"))?;
    }
    outcome
}
