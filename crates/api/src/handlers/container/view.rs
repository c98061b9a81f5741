//! What inspect and list show of a container.

use api_types::container::{
    ContainerInspect, ContainerSummary, Health, HealthSummary, HealthcheckResult, HostConfigSummary, MountPoint,
    NetworkSettings, NetworkSettingsSummary, PortSummary, RootFsSnapshot, RootFsStorage, State, Storage,
};
use container::{HealthStatus, Phase};
use engine::ContainerView;

use crate::handlers::convert;

/// Docker's name of the only snapshotter there is.
pub(crate) const SNAPSHOTTER: &str = "overlayfs";

/// `GET /containers/{id}/json`, without sizes.
pub(crate) fn inspect(view: &ContainerView) -> ContainerInspect {
    let path = |name: &str| view.dir.join(name).display().to_string();
    ContainerInspect {
        id: view.id.to_string(),
        created: convert::time(view.created_at),
        path: view.path.clone(),
        args: view.args.clone(),
        state: Some(state(view)),
        image: view.image_id.to_string(),
        resolv_conf_path: path("resolv.conf"),
        hostname_path: path("hostname"),
        hosts_path: path("hosts"),
        log_path: view.log_path.as_ref().map(|p| p.display().to_string()).unwrap_or_default(),
        name: format!("/{}", view.name),
        restart_count: i64::from(view.state.restart_count),
        driver: SNAPSHOTTER.to_owned(),
        platform: view.os.clone(),
        exec_ids: convert::none_if_empty(view.execs.clone()),
        host_config: Some(view.spec.host.clone()),
        storage: Some(Storage {
            root_fs: Some(RootFsStorage { snapshot: Some(RootFsSnapshot { name: SNAPSHOTTER.to_owned() }) }),
        }),
        mounts: mounts(view),
        config: Some(view.spec.config.clone()),
        network_settings: Some(NetworkSettings {
            sandbox_id: view.network.sandbox_id.clone(),
            sandbox_key: view.network.sandbox_key.clone(),
            ports: view.network.ports.clone(),
            networks: view.network.endpoints.clone(),
        }),
        image_manifest_descriptor: view.manifest.clone(),
        ..ContainerInspect::default()
    }
}

fn state(view: &ContainerView) -> State {
    let state = &view.state;
    let restarting = state.phase == Phase::Restarting;
    State {
        status: state.phase.as_str().to_owned(),
        running: state.is_alive() || restarting,
        paused: state.phase == Phase::Paused,
        restarting,
        oom_killed: state.oom_killed,
        dead: state.phase == Phase::Dead,
        pid: i64::from(state.pid),
        exit_code: i64::from(state.exit_code),
        error: state.error.clone(),
        started_at: convert::time(state.started_at),
        finished_at: convert::time(state.finished_at),
        health: view.health.as_ref().map(health),
    }
}

fn health(health: &container::Health) -> Health {
    let results = health.log.iter().map(|result| HealthcheckResult {
        start: convert::time(result.start),
        end: convert::time(result.end),
        exit_code: i64::from(result.exit_code),
        output: result.output.clone(),
    });
    Health {
        status: health.status.as_str().to_owned(),
        failing_streak: i64::from(health.failing_streak),
        log: Some(results.collect()),
    }
}

fn mounts(view: &ContainerView) -> Vec<MountPoint> {
    view.mounts
        .iter()
        .map(|m| MountPoint {
            kind: m.kind.clone(),
            name: m.name.clone(),
            source: m.source.clone(),
            destination: m.destination.clone(),
            driver: m.driver.clone(),
            mode: m.mode.clone(),
            rw: m.rw,
            propagation: m.propagation.clone(),
        })
        .collect()
}

/// One row of `GET /containers/json`, without sizes. `image` is what the image shall be called.
pub(crate) fn summary(view: &ContainerView, image: String) -> ContainerSummary {
    ContainerSummary {
        id: view.id.to_string(),
        names: vec![format!("/{}", view.name)],
        image,
        image_id: view.image_id.to_string(),
        image_manifest_descriptor: view.manifest.clone(),
        command: command(view),
        created: view.created_at / 1_000_000_000,
        ports: ports(&view.network.ports),
        labels: view.spec.config.labels.clone().unwrap_or_default(),
        state: view.state.phase.as_str().to_owned(),
        status: status(&view.state, view.health.as_ref(), convert::now()),
        health: Some(HealthSummary {
            status: view.health.as_ref().map_or("none", |h| h.status.as_str()).to_owned(),
            failing_streak: view.health.as_ref().map_or(0, |h| i64::from(h.failing_streak)),
        }),
        host_config: HostConfigSummary {
            network_mode: view.spec.host.network_mode.clone(),
            annotations: view.spec.host.annotations.clone().unwrap_or_default(),
        },
        network_settings: Some(NetworkSettingsSummary { networks: view.network.endpoints.clone() }),
        mounts: mounts(view),
        ..ContainerSummary::default()
    }
}

fn command(view: &ContainerView) -> String {
    let mut command = view.path.clone();
    for arg in &view.args {
        command.push(' ');
        if arg.contains(' ') {
            command.push('\'');
            command.push_str(arg);
            command.push('\'');
        } else {
            command.push_str(arg);
        }
    }
    command
}

fn ports(map: &spec::PortMap) -> Vec<PortSummary> {
    let mut all = Vec::new();
    for (key, bindings) in map {
        let (port, kind) = key.split_once('/').unwrap_or((key, "tcp"));
        let Ok(private_port) = port.parse() else { continue };
        let bindings = bindings.as_deref().unwrap_or_default();
        let exposed = PortSummary { private_port, kind: kind.to_owned(), ..PortSummary::default() };
        if bindings.is_empty() {
            all.push(exposed);
            continue;
        }
        all.extend(bindings.iter().map(|b| PortSummary {
            ip: b.host_ip.clone(),
            public_port: b.host_port.parse().unwrap_or(0),
            ..exposed.clone()
        }));
    }
    all
}

/// `Up 2 hours (Paused)`, `Exited (0) 3 seconds ago`, … (moby `State.String`).
fn status(state: &container::State, health: Option<&container::Health>, now: i64) -> String {
    let since = |then: i64| units::duration::human_duration(now.saturating_sub(then).max(0));
    match state.phase {
        Phase::Running => match health.map(|h| h.status) {
            None => format!("Up {}", since(state.started_at)),
            Some(HealthStatus::Starting) => format!("Up {} (health: starting)", since(state.started_at)),
            Some(other) => format!("Up {} ({})", since(state.started_at), other.as_str()),
        },
        Phase::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Phase::Restarting => format!("Restarting ({}) {} ago", state.exit_code, since(state.finished_at)),
        Phase::Removing => "Removal In Progress".to_owned(),
        Phase::Dead => "Dead".to_owned(),
        Phase::Created | Phase::Starting => "Created".to_owned(),
        Phase::Exited if state.finished_at == 0 => String::new(),
        Phase::Exited => format!("Exited ({}) {} ago", state.exit_code, since(state.finished_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn check(phase: Phase, want: &str) {
        let state = container::State {
            phase,
            started_at: 100 * SECOND,
            finished_at: 200 * SECOND,
            exit_code: 3,
            ..container::State::default()
        };
        assert_eq!(status(&state, None, 300 * SECOND), want);
    }

    #[test]
    fn states_are_told_in_dockers_words() {
        check(Phase::Running, "Up 3 minutes");
        check(Phase::Paused, "Up 3 minutes (Paused)");
        check(Phase::Exited, "Exited (3) About a minute ago");
        check(Phase::Restarting, "Restarting (3) About a minute ago");
        check(Phase::Created, "Created");
        check(Phase::Dead, "Dead");
    }

    #[test]
    fn a_running_container_tells_its_health() {
        let state = container::State { phase: Phase::Running, started_at: 100 * SECOND, ..container::State::default() };
        let told = |status| {
            let health = container::Health { status, ..container::Health::default() };
            super::status(&state, Some(&health), 103 * SECOND)
        };
        assert_eq!(told(HealthStatus::Starting), "Up 3 seconds (health: starting)");
        assert_eq!(told(HealthStatus::Healthy), "Up 3 seconds (healthy)");
        assert_eq!(told(HealthStatus::Unhealthy), "Up 3 seconds (unhealthy)");
    }

    #[test]
    fn published_and_exposed_ports_are_listed() {
        let binding = spec::PortBinding { host_ip: "0.0.0.0".into(), host_port: "8080".into() };
        let map = [("80/tcp".to_owned(), Some(vec![binding])), ("53/udp".to_owned(), None)].into();
        let json = serde_json::to_string(&ports(&map)).expect("serializes");
        let want =
            r#"[{"PrivatePort":53,"Type":"udp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}]"#;
        assert_eq!(json, want);
    }
}
