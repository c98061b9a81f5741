//! From a plan to a running daemon, and back down again.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api::App;
use api::http::{Identity, Inherited, Limits, Listener, Origin, Server, listen, server_config};
use engine::Engine;
use tokio::task::JoinSet;

use super::journal;
use super::metrics::{self, Metrics, Served};
use super::notify::{notify, watchdog};
use super::pidfile::PidFile;
use super::plan::Plan;
use super::quiet::{PAUSE, Quiet};
use super::settings::Settings;
use super::signals::Signals;
use super::{embedded, journal::Level};

/// Requests at hand when the daemon stops get this long.
const GRACE: Duration = Duration::from_secs(1);
/// Stopping containers may take this much longer than they are given.
const SLACK: Duration = Duration::from_secs(5);

/// Runs the daemon to its end.
pub(super) fn run(plan: Plan, settings: Settings) -> ExitCode {
    journal::start(plan.log.0, plan.log.1);
    tracing::info!("Starting up");
    let result = start_runtime().and_then(|runtime| {
        let result = runtime.block_on(serve(plan, &settings));
        runtime.shutdown_timeout(Duration::from_millis(200));
        result
    });
    match result {
        Ok(()) => {
            tracing::info!("Daemon shutdown complete");
            ExitCode::SUCCESS
        }
        Err(e) => {
            tracing::info!(error = format!("{e:#}"), "Daemon shutdown complete");
            super::complain(&format!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Two threads with small stacks are plenty: the work is waiting.
fn start_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_stack_size(1 << 20)
        .thread_name("gantry")
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

async fn serve(mut plan: Plan, settings: &Settings) -> Result<()> {
    for (level, text) in std::mem::take(&mut plan.remarks) {
        match level {
            Level::Warn | Level::Error => tracing::warn!("{text}"),
            _ => tracing::debug!("{text}"),
        }
    }
    ensure!(
        rustix::process::geteuid().is_root(),
        "dockerd needs to be started with root privileges. To run dockerd in rootless mode as an unprivileged user, see \
         https://docs.docker.com/go/rootless/"
    );
    super::plan::check_runtimes(&plan.engine)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    raise_file_limit();
    make_dir(&plan.data_root, 0o710)?;
    make_dir(&plan.exec_root, 0o711)?;
    let _pidfile = plan.pidfile.as_deref().map(PidFile::write).transpose()?;
    let mut signals = Signals::listen()?;
    let listeners = bind(&plan)?;
    // Those of the service manager are its own.
    let sockets: Vec<_> = listeners.iter().filter(|l| !l.is_inherited()).map(|l| l.origin().clone()).collect();
    let metrics_listener = plan.metrics.as_deref().map(listen_for_metrics).transpose()?;
    let grace = Duration::from_secs(plan.shutdown_timeout).saturating_add(SLACK);

    let engine = Engine::start(engine_config(&plan)?).await.context("failed to start daemon")?;
    tracing::info!("Daemon has completed initialization");
    let quiet = Arc::new(Quiet::default());
    let measured = plan.metrics.as_ref().map(|_| Arc::new(Metrics::default()));
    let server = Arc::new(server(&plan, engine.clone(), &quiet, measured.as_ref()));
    tokio::spawn(quiet.watch(PAUSE, sys::memory::rest));
    let mut serving = JoinSet::new();
    if let (Some(metrics), Some(listener)) = (measured, metrics_listener) {
        tracing::info!("metrics API listening on {}", listener.origin());
        tokio::spawn(metrics.clone().count_events(engine.clone()));
        let served = Served { metrics, engine: engine.clone(), daemon: plan.api.clone() };
        let identity = Identity { any_host: true, ..identity(&plan) };
        let limits = Limits { connections: 64, ..Limits::default() };
        let server = Server::new(Arc::new(served), metrics::router(), Vec::new(), identity, limits);
        // It ends with the process.
        tokio::spawn(async move { server.serve(listener).await });
    }
    for listener in listeners {
        tracing::info!("API listen on {}", listener.origin());
        let server = server.clone();
        serving.spawn(async move { server.serve(listener).await });
    }
    drop(plan);
    notify("READY=1");

    let broken = tokio::select! {
        () = signals.until_stop(settings, &engine) => None,
        () = watchdog() => None,
        Some(ended) = serving.join_next() => Some(ended),
    };
    notify("STOPPING=1");
    let down = async {
        server.stop();
        // Streams that never end by themselves are cut off.
        let _ = tokio::time::timeout(GRACE, async { while serving.join_next().await.is_some() {} }).await;
        serving.abort_all();
        if tokio::time::timeout(grace, engine.shutdown()).await.is_err() {
            tracing::error!("Force shutdown daemon");
        }
    };
    tokio::select! {
        () = down => {}
        () = signals.until_impatient() => {}
    }
    for origin in sockets {
        if let Origin::Unix(path) = origin {
            // Gone already is as good.
            let _ = fs::remove_file(path);
        }
    }
    match broken {
        Some(Ok(Err(e))) => Err(e).context("shutting down due to ServeAPI error"),
        Some(Err(e)) => Err(e).context("shutting down due to ServeAPI error"),
        Some(Ok(Ok(()))) => bail!("a listener ended"),
        None => Ok(()),
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("failed to make {}", path.display()))
}

/// Every container costs the daemon a few descriptors.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(error = %e, "failed to raise the limit of open files");
    }
}

fn bind(plan: &Plan) -> Result<Vec<Listener>> {
    let tls = plan.tls.as_ref().map(server_config).transpose().context("invalid TLS configuration")?;
    let inherited = Inherited::from_env();
    let mut all = Vec::new();
    for host in &plan.hosts {
        let tls = tls.as_ref().filter(|_| !host.starts_with("unix://"));
        all.extend(listen(host, &plan.group, tls, &inherited).context("failed to load listeners")?);
    }
    Ok(all)
}

/// `HOST:PORT`, without encryption: it tells figures and takes no orders.
fn listen_for_metrics(address: &str) -> Result<Listener> {
    let listened = listen(&format!("tcp://{address}"), "", None, &Inherited::default());
    let mut listened = listened.with_context(|| format!("failed to start metrics API on {address}"))?;
    listened.pop().context("failed to start metrics API")
}

fn engine_config(plan: &Plan) -> Result<engine::Config> {
    let settings = &plan.engine;
    Ok(engine::Config { shim: embedded::lay_down_shim(&plan.exec_root)?, ..settings.clone() })
}

fn identity(plan: &Plan) -> Identity {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Identity {
        version: plan.api.version.clone(),
        experimental: plan.api.experimental,
        min_api: api_compat::Version::parse(&plan.api.min_api).unwrap_or(api_compat::Version::OLDEST),
        host_names: vec![name],
        any_host: false,
    }
}

fn server(plan: &Plan, engine: Engine, quiet: &Arc<Quiet>, metrics: Option<&Arc<Metrics>>) -> Server<App> {
    let app = Arc::new(App { engine, daemon: plan.api.clone() });
    let layers = [quiet.layer()].into_iter().chain(metrics.map(Metrics::layer)).collect();
    Server::new(app, api::handlers::router(), layers, identity(plan), Limits::default())
}
