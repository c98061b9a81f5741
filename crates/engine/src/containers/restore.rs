//! The daemon starts: take over what runs, learn what ended meanwhile, sweep what nobody owns.

use std::path::Path;

use container::{Input, Phase, RestartPolicy};
use shim_proto::{Conn, ExitRecord, Hello, Status};

use super::actor::Actor;
use super::record::{CONTAINERS, ContainerRecord};
use super::{Containers, Msg};
use crate::engine::Shared;
use crate::shim::ShimClient;
use crate::{Error, files};

/// Exit code of a run whose end nobody saw (moby gives 255).
const UNKNOWN_EXIT: i32 = 255;

impl Containers {
    /// Brings records and host together. One bad record is reported and left alone; it keeps nobody from starting.
    pub(crate) async fn restore(&self) -> Result<(), Error> {
        let scan = self.shared.meta.scan(CONTAINERS)?;
        for damaged in &scan.damaged {
            tracing::error!("container {}: damaged record, left alone: {}", damaged.key, damaged.error);
        }
        let mut live = Vec::new();
        let mut later = Vec::new();
        for (_, record) in scan.records {
            let (id, policy) = (record.id.clone(), RestartPolicy::parse(&record.spec.host.restart_policy));
            if let Err(error) = self.shared.containers.reserve(&record.name, &id) {
                tracing::error!("container {}: {error}; left alone", id.short());
                continue;
            }
            let was_up = !matches!(record.state.phase, Phase::Created | Phase::Exited);
            let (mut actor, inbox) = self.adopt(record);
            if was_up {
                actor.reconcile().await;
                self.own_execs(&id, actor.execs.keys().cloned());
            }
            actor.resume_shipping();
            if actor.record.state.is_alive() {
                live.push(id);
            } else {
                let policy = policy.unwrap_or(RestartPolicy::No);
                let state = &actor.record.state;
                let action = match state.phase {
                    Phase::Removing | Phase::Dead => Some(false),
                    _ if actor.record.spec.host.auto_remove && state.finished_at > 0 => Some(false),
                    Phase::Restarting => Some(true),
                    _ => policy.starts_with_daemon(state).then_some(true),
                };
                later.extend(action.map(|start| (actor.handle(), start)));
            }
            tokio::spawn(actor.serve(inbox));
        }
        self.sweep(&live).await;
        for (handle, start) in later {
            tokio::spawn(async move {
                let result = if start {
                    handle.ask(Msg::Start).await
                } else {
                    handle.ask(|reply| Msg::Remove { force: true, volumes: false, reply }).await
                };
                match result {
                    // Gone or up already is as good.
                    Ok(()) | Err(Error::NotModified(_) | Error::NoSuchContainer(_)) => {}
                    Err(error) => tracing::warn!("container {}: {error}", handle.id.short()),
                }
            });
        }
        Ok(())
    }

    /// Removes what belongs to no living container: sandboxes, shims' directories, cgroups, orphaned directories.
    async fn sweep(&self, live: &[id::ContainerId]) {
        super::mounts::sweep(&self.shared);
        self.sweep_layers();
        if let Err(error) = self.shared.networks.sweep(live).await {
            tracing::warn!("sweeping networks: {error}");
        }
        let shims = self.shared.config.exec_root.join("shim");
        for name in names_in(&shims) {
            let Ok(id) = name.parse::<id::ContainerId>() else { continue };
            if live.contains(&id) {
                continue;
            }
            // Waits for a shim that still sits there (its container's record may be gone), then removes its directory.
            end_shim(&shims.join(&name)).await;
        }
        let execs = self.shared.config.exec_root.join("exec");
        for name in names_in(&execs) {
            if !live.iter().any(|id| id.as_str() == name)
                && let Err(error) = files::remove_tree(&execs.join(&name))
            {
                tracing::warn!("sweeping exec sessions: {error}");
            }
        }
        let containers = self.shared.config.data_root.join("containers");
        for name in names_in(&containers) {
            let known = name.parse().ok().is_some_and(|id| self.shared.containers.get(&id).is_some());
            let recorded = matches!(self.shared.meta.get(CONTAINERS, &name), Ok(None));
            if !known && recorded {
                if let Ok(id) = name.parse() {
                    let _ = self.shared.images.rootfs().remove_rw(&id);
                }
                if let Err(error) = files::remove_tree(&containers.join(&name)) {
                    tracing::warn!("sweeping containers: {error}");
                }
            }
        }
    }

    /// Read-write layers that belong to no container and to no image mount of one.
    fn sweep_layers(&self) {
        let mut known = std::collections::HashSet::new();
        for handle in self.shared.containers.all() {
            let view = handle.view();
            known.extend(super::mounts::layer_ids(&view.id, &view.mounts).into_iter().map(|id| id.to_string()));
            known.insert(view.id.to_string());
        }
        // A damaged record is no reason to take its container's files.
        let spared = |name: &str| known.contains(name) || !matches!(self.shared.meta.get(CONTAINERS, name), Ok(None));
        if let Err(error) = self.shared.images.rootfs().sweep_rw(spared) {
            tracing::warn!("sweeping layers: {error}");
        }
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().into_string().ok()).collect()
}

/// Tells a left-over shim to go, and removes its directory.
async fn end_shim(dir: &Path) {
    if let Ok(conn) = Conn::connect(&dir.join("shim.sock"))
        && let Ok((client, hello)) = ShimClient::connect(conn, |_| {}).await
    {
        if matches!(hello.state.status, Status::Running | Status::Paused) {
            let _ = client.signal(None, 9).await;
            let _ = client.ask(shim_proto::Request::Resume).await;
            for _ in 0..100 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                if client.ask(shim_proto::Request::Delete).await.is_ok() {
                    break;
                }
            }
        } else {
            let _ = client.ask(shim_proto::Request::Delete).await;
        }
    }
    if let Err(error) = files::remove_tree(dir) {
        tracing::warn!("sweeping shims: {error}");
    }
}

/// How a run ended whose shim is gone: by its exit record if that is of this run, else unknown.
pub(crate) fn exit_after_shim(shared: &Shared, record: &ContainerRecord) -> ExitRecord {
    let path = shared.container_dir(&record.id).join("exit.json");
    match ExitRecord::read(&path) {
        Ok(Some(exit)) if exit.pid == record.state.pid && exit.started_at == record.state.started_at => exit,
        Ok(_) => unknown_exit(record),
        Err(error) => {
            tracing::warn!("container {}: {error}", record.id.short());
            unknown_exit(record)
        }
    }
}

fn unknown_exit(record: &ContainerRecord) -> ExitRecord {
    ExitRecord {
        id: record.id.to_string(),
        status: UNKNOWN_EXIT,
        pid: record.state.pid,
        started_at: record.state.started_at,
        exited_at: files::now(),
        ..ExitRecord::default()
    }
}

/// Removes what a dead shim could not: its cgroup and its directory.
pub(crate) async fn clean_up_run(shared: &Shared, record: &ContainerRecord) {
    let cgroup = shared.cgroup_path(record);
    let removed = tokio::task::spawn_blocking(move || {
        let manager = cgroup::Manager::new(&cgroup, &cgroup::Hierarchies::detect()?)?;
        manager.kill()?;
        manager.delete()
    });
    match removed.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("container {}: its cgroup: {error}", record.id.short()),
        Err(error) => tracing::warn!("container {}: its cgroup: {error}", record.id.short()),
    }
    if let Err(error) = files::remove_tree(&shared.run_dir(&record.id)) {
        tracing::warn!("container {}: {error}", record.id.short());
    }
}

impl Actor {
    /// Finds out what became of a container that was up, or on its way, when the last daemon went.
    pub(super) async fn reconcile(&mut self) {
        match self.record.state.phase {
            // Nobody removes it any more: it can be asked for again.
            Phase::Removing => {
                let _ = self.apply(Input::RemoveFailed, "").await;
                return;
            }
            Phase::Dead | Phase::Restarting => return,
            _ => {}
        }
        self.run += 1;
        self.adopt_volumes().await;
        match self.connect_shim().await {
            Ok(hello) => self.take_over(hello).await,
            Err(error) => {
                tracing::info!("container {}: no monitor ({error})", self.record.id.short());
                let exit = exit_after_shim(&self.shared, &self.record);
                clean_up_run(&self.shared, &self.record).await;
                self.lost(&exit).await;
            }
        }
    }

    async fn connect_shim(&mut self) -> Result<Hello, Error> {
        let socket = self.shared.run_dir(&self.record.id).join("shim.sock");
        let conn = Conn::connect(&socket).map_err(shim_proto::LaunchError::from)?;
        let client = self.shim_client(conn)?;
        let hello = client.hello(client.post_hello().await?).await?;
        self.shim = Some(client);
        Ok(hello)
    }

    async fn take_over(&mut self, hello: Hello) {
        let state = hello.state;
        match state.status {
            Status::Running | Status::Paused => {
                self.record.state.phase = if state.status == Status::Paused { Phase::Paused } else { Phase::Running };
                self.record.state.pid = state.pid;
                self.record.state.started_at = state.started_at;
                match self.shared.networks.adopt(&self.record.id).await {
                    Ok(sandbox) => self.sandbox = Some(sandbox),
                    Err(error) => tracing::warn!("container {}: its network: {error}", self.record.id.short()),
                }
                self.execs_restore(state.execs).await;
                self.follow_health();
                self.persist();
                self.publish();
            }
            Status::Exited => match state.exit {
                Some(exit) => self.lost(&exit).await,
                None => self.lost(&unknown_exit(&self.record)).await,
            },
            // Launched, but the daemon died before it said start.
            Status::Created => self.lost(&unknown_exit(&self.record)).await,
        }
    }

    /// A run that ended without a daemon looking on.
    async fn lost(&mut self, exit: &ExitRecord) {
        if self.record.state.phase == Phase::Starting && self.record.state.started_at == 0 {
            // Never got as far as running: back to where it was.
            self.record.state.phase = Phase::Created;
            self.release_run().await;
            self.persist();
            self.publish();
            return;
        }
        self.exited(exit).await;
    }
}
