//! What the daemon does on signals: stop (TERM, INT), read the configuration again (HUP), tell about itself (USR1).

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use engine::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::journal::{self, Level};
use super::plan;
use super::settings::Settings;

/// After so many requests to stop, the daemon stops at once.
const PATIENCE: u32 = 3;

/// The signals that are listened to.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    /// From now on these signals don't end the process.
    pub(super) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Handles signals until one says stop.
    pub(super) async fn until_stop(&mut self, settings: &Settings, engine: &Engine) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return tracing::info!("Processing signal 'terminated'"),
                _ = self.interrupt.recv() => return tracing::info!("Processing signal 'interrupt'"),
                _ = self.hang_up.recv() => reload(settings, engine),
                _ = self.user.recv() => dump(),
            }
        }
    }

    /// Resolves when stopping was asked for so often that it must not wait any longer.
    pub(super) async fn until_impatient(&mut self) {
        for _ in 1..PATIENCE {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
        tracing::info!("Forcing docker daemon shutdown without cleanup; {PATIENCE} interrupts received");
    }
}

/// Reads the configuration again and applies what can be applied while running. With anything wrong in it, nothing is.
fn reload(settings: &Settings, engine: &Engine) {
    let file = settings.path().map(|p| p.display().to_string()).unwrap_or_default();
    tracing::info!("Got signal to reload configuration, reloading from: {file}");
    let reloaded = settings.reload().and_then(|new| {
        let plan = plan::plan(&new)?;
        engine.reload(&plan.engine, told_of(&new))?;
        Ok(plan)
    });
    match reloaded {
        Ok(plan) => {
            journal::set_level(if plan.debug { Level::Debug } else { plan.log.0 });
            tracing::info!(debug = plan.debug, "Reloaded configuration");
        }
        Err(e) => tracing::error!(error = format!("{e:#}"), "Error reloading configuration"),
    }
}

/// What the event of a reload tells of settings that the engine does not know.
fn told_of(s: &Settings) -> BTreeMap<String, String> {
    // As Go prints maps: sorted.
    let features: BTreeMap<String, String> =
        s.list("feature").iter().filter_map(|f| f.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let features: Vec<String> = features.iter().map(|(k, v)| format!("{k}:{v}")).collect();
    let runtimes: Vec<String> = s.list("add-runtime").iter().map(|r| r.replacen('=', ":", 1)).collect();
    BTreeMap::from([
        ("features".to_owned(), format!("map[{}]", features.join(" "))),
        ("max-download-attempts".to_owned(), s.number("max-download-attempts").to_string()),
        ("runtimes".to_owned(), runtimes.join(" ")),
        ("default-runtime".to_owned(), s.text("default-runtime")),
    ])
}

/// Tells what the daemon is at: tasks of the runtime, and what each thread waits for.
fn dump() {
    let metrics = tokio::runtime::Handle::current().metrics();
    tracing::info!(
        tasks = metrics.num_alive_tasks(),
        workers = metrics.num_workers(),
        queued = metrics.global_queue_depth(),
        "=== BEGIN task dump ==="
    );
    for entry in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default().trim().to_owned();
        let stat = read("stat");
        let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start().get(..1).unwrap_or(""));
        tracing::info!(
            thread = %entry.file_name().to_string_lossy(),
            name = read("comm"),
            state,
            waits_in = read("wchan"),
            "thread"
        );
    }
    tracing::info!("=== END task dump ===");
}
