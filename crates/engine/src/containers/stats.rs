//! Figures of a running container.

use std::collections::BTreeMap;

use super::Containers;
use crate::{Error, files};

/// One sample.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Container id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// It runs; if not, all figures are zero.
    pub running: bool,
    /// Nanoseconds since the epoch.
    pub at: i64,
    /// The cgroup's.
    pub cgroup: cgroup::Stats,
    /// CPU time of the whole host, nanoseconds.
    pub system_cpu: u64,
    /// CPUs that are there.
    pub cpus: u32,
    /// Bytes of memory of the host.
    pub host_memory: u64,
    /// By interface; `None` if the network is not its own.
    pub networks: Option<BTreeMap<String, Traffic>>,
}

/// Figures of one interface, since it is there (`/proc/net/dev`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received: bytes, packets, errors, dropped.
    pub received: [u64; 4],
    /// Sent: bytes, packets, errors, dropped.
    pub sent: [u64; 4],
}

impl Containers {
    /// Takes a sample.
    ///
    /// # Errors
    /// Not found; a cgroup that cannot be read.
    pub async fn sample(&self, reference: &str) -> Result<Sample, Error> {
        let view = self.find(reference)?.view();
        let shared = self.shared.clone();
        let take = move || -> Result<Sample, Error> {
            let mut sample = Sample {
                id: view.id.to_string(),
                name: view.name.clone(),
                running: view.state.is_alive(),
                at: files::now(),
                ..Sample::default()
            };
            if !sample.running {
                return Ok(sample);
            }
            let path = shared.cgroup_of(&view.spec.host.cgroup_parent, &view.id);
            sample.cgroup = cgroup::Manager::new(&path, &cgroup::Hierarchies::detect()?)?.stats()?;
            let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
            sample.system_cpu = system_cpu(&stat);
            sample.cpus = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
            sample.host_memory = u64::try_from(crate::system::total_memory()).unwrap_or(0);
            let mode = &view.spec.host.network_mode;
            if mode != "host" && !mode.starts_with("container:") {
                let text = std::fs::read_to_string(format!("/proc/{}/net/dev", view.state.pid)).unwrap_or_default();
                sample.networks = Some(traffic(&text)).filter(|t| !t.is_empty());
            }
            Ok(sample)
        };
        tokio::task::spawn_blocking(take).await.unwrap_or(Err(Error::ShuttingDown))
    }
}

/// Time of all CPUs, as moby counts it: the first seven figures of the first line, in ticks of 10 ms.
fn system_cpu(stat: &str) -> u64 {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: u64 = line.split_whitespace().skip(1).take(7).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks * 10_000_000
}

/// `/proc/net/dev` without the loopback interface.
fn traffic(text: &str) -> BTreeMap<String, Traffic> {
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, figures) = line.split_once(':')?;
            let figures: Vec<u64> = figures.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            let four = |at: usize| figures.get(at..at + 4)?.try_into().ok();
            (name.trim() != "lo").then_some(())?;
            Some((name.trim().to_owned(), Traffic { received: four(0)?, sent: four(8)? }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_host_are_read() {
        assert_eq!(system_cpu("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1"), 280_000_000);
        let dev = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 0 0 0 0\n";
        let want = Traffic { received: [1, 2, 3, 4], sent: [9, 10, 11, 12] };
        assert_eq!(traffic(dev), [("eth0".to_owned(), want)].into());
    }
}
