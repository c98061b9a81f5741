//! Figures for Prometheus (`--metrics-addr`): Docker's names, the process's own, and how long API requests take.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::App;
use api::http::{ApiError, Layer, Request, Response, Route, Router, text};
use engine::Engine;
use hyper::{Method, StatusCode};

/// Upper bounds in seconds: those of Prometheus' library, and finer ones below, where this engine works.
const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The actions that Docker measures, by the route that does them.
const ACTIONS: [(&str, &str); 5] = [
    ("changes", "GET /containers/{name}/changes"),
    ("commit", "POST /commit"),
    ("create", "POST /containers/create"),
    ("delete", "DELETE /containers/{name}"),
    ("start", "POST /containers/{name}/start"),
];

#[derive(Debug, Clone, Default)]
struct Histogram {
    /// Not cumulated; the last one is beyond all bounds.
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|b| seconds <= *b).unwrap_or(BOUNDS.len());
        self.buckets[at] += 1;
        self.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, label: &str) {
        let mut total = 0;
        for (n, count) in self.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS.get(n).map_or("+Inf".to_owned(), ToString::to_string);
            line(out, &format!("{name}_bucket{{{label},le=\"{bound}\"}}"), total);
        }
        line(out, &format!("{name}_sum{{{label}}}"), self.sum);
        line(out, &format!("{name}_count{{{label}}}"), total);
    }
}

/// What is counted while the daemon runs.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    routes: Mutex<BTreeMap<String, Histogram>>,
    events: std::sync::atomic::AtomicU64,
}

impl Metrics {
    /// Measures every request up to the head of its answer.
    pub(super) fn layer(self: &Arc<Self>) -> Layer<App> {
        let this = self.clone();
        Arc::new(move |request, next| {
            let this = this.clone();
            Box::pin(async move {
                let (route, started) = (next.route(), Instant::now());
                let result = next.run(request).await;
                // A failed action is no action: moby measures those that went well.
                if result.is_ok() {
                    let mut routes = this.routes.lock().unwrap_or_else(PoisonError::into_inner);
                    routes.entry(route).or_default().add(started.elapsed());
                }
                result
            })
        })
    }

    /// Counts events until the engine ends.
    pub(super) async fn count_events(self: Arc<Self>, engine: Engine) {
        let mut events = engine.events.subscribe(None);
        while events.next().await.is_some() {
            self.events.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn render(&self, engine: &Engine, daemon: &api::Daemon) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let info = engine.system.info();
        head(
            &mut out,
            "engine_daemon_container_states_containers",
            "gauge",
            "The count of containers in various states",
        );
        for (state, n) in [("paused", info.paused), ("running", info.running), ("stopped", info.stopped)] {
            line(&mut out, &format!("engine_daemon_container_states_containers{{state=\"{state}\"}}"), n);
        }
        head(
            &mut out,
            "engine_daemon_engine_cpus_cpus",
            "gauge",
            "The number of cpus that the host system of the engine has",
        );
        line(&mut out, "engine_daemon_engine_cpus_cpus", info.cpus);
        head(
            &mut out,
            "engine_daemon_engine_memory_bytes",
            "gauge",
            "The number of bytes of memory that the host system of the engine has",
        );
        line(&mut out, "engine_daemon_engine_memory_bytes", info.memory);
        head(
            &mut out,
            "engine_daemon_engine_info",
            "gauge",
            "The information related to the engine and the OS it is running on",
        );
        let labels = [
            ("architecture", info.architecture.as_str()),
            ("commit", &daemon.git_commit),
            ("daemon_id", &info.id),
            ("graphdriver", "overlayfs"),
            ("kernel", &info.kernel),
            ("os", &info.operating_system),
            ("os_type", "linux"),
            ("os_version", &info.os_version),
            ("version", &daemon.version),
        ];
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
        line(&mut out, &format!("engine_daemon_engine_info{{{}}}", labels.join(",")), 1);
        head(&mut out, "engine_daemon_events_total", "counter", "The number of events logged");
        line(&mut out, "engine_daemon_events_total", self.events.load(std::sync::atomic::Ordering::Relaxed));
        head(
            &mut out,
            "engine_daemon_events_subscribers_total",
            "gauge",
            "The number of current subscribers to events",
        );
        // Our own counting is none of them.
        line(&mut out, "engine_daemon_events_subscribers_total", info.event_listeners.saturating_sub(1));
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = "engine_daemon_container_actions_seconds";
        head(&mut out, name, "histogram", "The number of seconds it takes to process each container action");
        for (action, route) in ACTIONS {
            let histogram = routes.get(route).cloned().unwrap_or_default();
            histogram.write(&mut out, name, &format!("action=\"{action}\""));
        }
        let name = "gantry_api_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "The number of seconds until an API request that succeeds is answered, by route",
        );
        for (route, histogram) in &routes {
            histogram.write(&mut out, name, &format!("route=\"{}\"", escaped(route)));
        }
        process(&mut out);
        out
    }
}

/// What Prometheus' libraries tell of a process.
fn process(out: &mut String) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, f)| f).split_whitespace().collect();
    let field = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    let (ticks, page) = (rustix::param::clock_ticks_per_second() as f64, rustix::param::page_size() as f64);
    let booted = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let booted = booted.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse::<f64>().ok()).unwrap_or(0.0);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX) as f64;
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64;
    for (name, kind, help, value) in [
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (field(11) + field(12)) / ticks,
        ),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", limit),
        ("process_open_fds", "gauge", "Number of open file descriptors.", open),
        ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", field(21) * page),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            booted + field(19) / ticks,
        ),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(20)),
    ] {
        head(out, name, kind, help);
        line(out, name, value);
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name} {value}");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What the address of the metrics serves, and nothing else.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) metrics: Arc<Metrics>,
    pub(super) engine: Engine,
    pub(super) daemon: api::Daemon,
}

/// `GET /metrics`.
pub(super) fn router() -> Router<Served> {
    Router::new(vec![Route::new(Method::GET, "/metrics", api_compat::Operation::Other, scrape)])
}

async fn scrape(request: Request<Served>) -> Result<Response, ApiError> {
    let state = request.state.clone();
    // It reads files of the host.
    let shown = tokio::task::spawn_blocking(move || state.metrics.render(&state.engine, &state.daemon)).await;
    let shown = shown.map_err(|e| ApiError::new(error::ErrorKind::System, e.to_string()))?;
    let mut response = text(StatusCode::OK, shown);
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulated() {
        let mut h = Histogram::default();
        h.add(Duration::from_millis(2));
        h.add(Duration::from_millis(2));
        h.add(Duration::from_secs(60));
        let mut out = String::new();
        h.write(&mut out, "x", "a=\"b\"");
        for want in [
            "x_bucket{a=\"b\",le=\"0.001\"} 0\n",
            "x_bucket{a=\"b\",le=\"0.0025\"} 2\n",
            "x_bucket{a=\"b\",le=\"30\"} 2\n",
            "x_bucket{a=\"b\",le=\"+Inf\"} 3\n",
            "x_count{a=\"b\"} 3\n",
        ] {
            assert!(out.contains(want), "{want} in {out}");
        }
    }

    #[test]
    fn a_process_tells_of_itself() {
        let mut out = String::new();
        process(&mut out);
        let value = |name: &str| {
            let line = out.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).expect(name);
            line.parse::<f64>().expect("a number")
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_start_time_seconds") > 1.6e9);
    }
}
