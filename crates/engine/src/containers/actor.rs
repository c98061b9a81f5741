//! The owner of one container: one task, one queue. All changes of state go through [`container::step`]; this file
//! carries out the commands that it gives.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use container::{Command, ExitInfo, Input, Phase, Refused, RestartPolicy};
use id::ContainerId;
use image::RootfsMount;
use shim_proto::{AttachSpec, Event, Request, Size};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::exec::ExecEntry;
use super::health::{Monitor, Probed};
use super::record::{CONTAINERS, ContainerRecord};
use super::registry::Handle;
use super::types::{ExecStart, WaitCondition, WaitResult};
use crate::engine::Shared;
use crate::shim::{ShimClient, ShimEvent, is_not_running};
use crate::{Error, files};

/// Answers one message.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

const SIGKILL: i32 = 9;
/// How long a killed container may take to die before its removal fails.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of an attached client.
#[derive(Debug)]
pub(crate) enum Attached {
    /// It runs: here it is.
    Now(UnixStream),
    /// It comes when the container starts; never, if the sender is dropped.
    Later(oneshot::Receiver<UnixStream>),
}

/// What can be asked of the owner of a container.
#[derive(Debug)]
pub(crate) enum Msg {
    Start(Reply<()>),
    StopRequested(Reply<()>),
    Signal {
        signal: i32,
        reply: Reply<()>,
    },
    Pause(Reply<()>),
    Unpause(Reply<()>),
    Rename {
        name: String,
        reply: Reply<()>,
    },
    Remove {
        force: bool,
        /// Its anonymous volumes too.
        volumes: bool,
        reply: Reply<()>,
    },
    Attach {
        spec: AttachSpec,
        reply: Reply<Attached>,
    },
    Resize {
        exec: Option<String>,
        size: Size,
        reply: Reply<()>,
    },
    ExecAdd {
        entry: Box<ExecEntry>,
        reply: Reply<()>,
    },
    ExecStart {
        id: String,
        start: ExecStart,
        reply: Reply<Option<UnixStream>>,
    },
    ExecView {
        id: String,
        reply: Reply<ExecEntry>,
    },
    Pids(Reply<Vec<i32>>),
    Wait {
        condition: WaitCondition,
        tx: oneshot::Sender<WaitResult>,
    },
    Connect {
        endpoint: network::EndpointSpec,
        settings: Box<spec::EndpointSettings>,
        reply: Reply<()>,
    },
    Disconnect {
        network: String,
        force: bool,
        reply: Reply<()>,
    },
    Update {
        host: Box<spec::HostConfig>,
        reply: Reply<Vec<String>>,
    },
    /// From the shim of the run with this number.
    Shim {
        run: u64,
        event: ShimEvent,
    },
    /// A legacy link goes.
    Unlink {
        alias: String,
        reply: Reply<()>,
    },
    /// A container that this one links to has a new address.
    Relink,
    /// The next probe of the health check is due.
    ProbeDue {
        number: u64,
    },
    /// A probe is over.
    Probed(Probed),
    /// The delay that this run's end started is over.
    BackoffOver {
        run: u64,
    },
}

/// The owner's own state.
pub(crate) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) record: ContainerRecord,
    pub(super) policy: RestartPolicy,
    pub(super) shim: Option<ShimClient>,
    /// Sends the log elsewhere, if the driver does.
    pub(super) shipper: Option<logship::Shipper>,
    /// Counts launches, so that news of an older run is known as such.
    pub(super) run: u64,
    pub(super) rootfs: Option<RootfsMount>,
    pub(super) sandbox: Option<network::Sandbox>,
    pub(super) execs: HashMap<String, ExecEntry>,
    /// The probing that is under way.
    pub(super) monitor: Option<Monitor>,
    /// Counts monitors.
    pub(super) monitors: u64,
    pub(super) pending_attach: Vec<(AttachSpec, oneshot::Sender<UnixStream>)>,
    pub(super) start_error: Option<Error>,
    /// The volumes of a run are mounted, or may be.
    pub(super) volumes_mounted: bool,
    pub(super) queue: mpsc::UnboundedSender<Msg>,
    handle: Arc<Handle>,
    exits: watch::Sender<u64>,
    waiters: Vec<(WaitCondition, oneshot::Sender<WaitResult>)>,
    backoff: Option<JoinHandle<()>>,
    removed: bool,
}

impl Actor {
    /// Makes the owner and its handle; [`Self::run`] must be spawned by the caller.
    pub(crate) fn new(shared: Arc<Shared>, record: ContainerRecord) -> (Self, mpsc::UnboundedReceiver<Msg>) {
        let (queue, inbox) = mpsc::unbounded_channel();
        let (exits, exits_rx) = watch::channel(0);
        // A record passed validation when it was made; an unreadable policy of a foreign record means none.
        let policy = RestartPolicy::parse(&record.spec.host.restart_policy).unwrap_or(RestartPolicy::No);
        let view = super::view::build(&shared, &record, None, None, &[]);
        let handle = Arc::new(Handle {
            id: record.id.clone(),
            view: arc_swap::ArcSwap::from_pointee(view),
            queue: queue.clone(),
            exits: exits_rx,
        });
        let actor = Self {
            shared,
            record,
            policy,
            shim: None,
            shipper: None,
            run: 0,
            rootfs: None,
            sandbox: None,
            execs: HashMap::new(),
            monitor: None,
            monitors: 0,
            pending_attach: Vec::new(),
            start_error: None,
            volumes_mounted: false,
            queue,
            handle,
            exits,
            waiters: Vec::new(),
            backoff: None,
            removed: false,
        };
        (actor, inbox)
    }

    pub(crate) fn handle(&self) -> Arc<Handle> {
        self.handle.clone()
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.record.id
    }

    /// Serves the queue until the container is removed.
    pub(crate) async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Msg>) {
        self.publish();
        while let Some(message) = inbox.recv().await {
            self.take(message, &mut inbox).await;
            if self.removed {
                break;
            }
        }
    }

    async fn take(&mut self, message: Msg, inbox: &mut mpsc::UnboundedReceiver<Msg>) {
        match message {
            Msg::Start(reply) => {
                let result = self.start().await;
                let _ = reply.send(result);
            }
            Msg::StopRequested(reply) => {
                let result = self.apply(Input::StopRequested, "cannot stop container").await;
                let _ = reply.send(result);
            }
            Msg::Signal { signal, reply } => {
                let _ = reply.send(self.signal(signal).await);
            }
            Msg::Pause(reply) => {
                let result = self.apply(Input::Pause, "cannot pause container").await;
                let _ = reply.send(result.and_then(|()| self.take_error()));
            }
            Msg::Unpause(reply) => {
                let result = self.apply(Input::Unpause, "cannot unpause container").await;
                let _ = reply.send(result.and_then(|()| self.take_error()));
            }
            Msg::Rename { name, reply } => {
                let _ = reply.send(self.rename(name));
            }
            Msg::Remove { force, volumes, reply } => {
                let result = self.remove(force, volumes, inbox).await;
                let _ = reply.send(result);
            }
            Msg::Attach { spec, reply } => {
                let _ = reply.send(self.attach(spec).await);
            }
            Msg::Resize { exec, size, reply } => {
                let result = match &self.shim {
                    Some(shim) if self.record.state.is_alive() => shim.ask(Request::Resize { exec, size }).await,
                    _ => Err(Error::NotRunning(self.id().to_string())),
                };
                let _ = reply.send(result);
            }
            Msg::ExecAdd { entry, reply } => {
                let _ = reply.send(self.exec_add(*entry));
            }
            Msg::ExecStart { id, start, reply } => {
                let _ = reply.send(self.exec_start(&id, &start).await);
            }
            Msg::ExecView { id, reply } => {
                let _ = reply.send(self.execs.get(&id).cloned().ok_or(Error::NoSuchExec(id)));
            }
            Msg::Pids(reply) => {
                let result = match &self.shim {
                    Some(shim) if self.record.state.is_alive() => shim.pids().await,
                    _ => Err(Error::NotRunning(self.id().to_string())),
                };
                let _ = reply.send(result);
            }
            Msg::Wait { condition, tx } => self.wait(condition, tx),
            Msg::Connect { endpoint, settings, reply } => {
                let _ = reply.send(self.connect(endpoint, *settings).await);
            }
            Msg::Disconnect { network, force, reply } => {
                let _ = reply.send(self.disconnect(&network, force).await);
            }
            Msg::Update { host, reply } => {
                let _ = reply.send(self.update(*host).await);
            }
            Msg::Unlink { alias, reply } => {
                let _ = reply.send(self.unlink(&alias));
            }
            Msg::Relink => self.relink(),
            Msg::ProbeDue { number } => self.probe(number).await,
            Msg::Probed(probed) => self.probed(probed),
            Msg::Shim { run, event } if run == self.run => self.shim_event(event, inbox).await,
            Msg::BackoffOver { run } if run == self.run => {
                let context = "cannot restart container";
                if let Err(error) = self.apply(Input::BackoffOver, context).await {
                    tracing::debug!("container {}: {error}", self.id().short());
                }
            }
            Msg::Shim { .. } | Msg::BackoffOver { .. } => {}
        }
    }

    /// Takes one input through the state machine and carries out what it commands. The first launch error is kept in
    /// `start_error`.
    pub(super) async fn apply(&mut self, input: Input, context: &str) -> Result<(), Error> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let auto_remove = self.record.spec.host.auto_remove;
            let (state, commands) = container::step(&self.record.state, self.policy, auto_remove, input)
                .map_err(|source| Error::State { context: format!("{context}: {}", self.id()), source })?;
            self.record.state = state;
            self.follow_health();
            self.publish();
            for command in commands {
                if let Some(next) = self.execute(command).await {
                    inputs.push_back(next);
                }
            }
        }
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> Option<Input> {
        match command {
            Command::Launch => return Some(self.launch().await),
            Command::Persist => self.persist(),
            Command::Emit(action) => self.emit_state(action),
            Command::ReleaseRun => self.release_run().await,
            Command::Freeze => return self.freeze(Request::Pause, Input::Paused).await,
            Command::Thaw => return self.freeze(Request::Resume, Input::Unpaused).await,
            Command::ScheduleRestart { delay_ms } => self.schedule_restart(delay_ms),
            Command::CancelRestart => {
                if let Some(task) = self.backoff.take() {
                    task.abort();
                }
            }
            Command::NotifyExit => self.notify_exit(),
            // Carried out by `remove`, which has the queue at hand.
            Command::Delete => {}
            Command::AutoRemove => {
                let (reply, _) = oneshot::channel();
                // Behind whatever waits already: a client that attached at the last moment is served first.
                let _ = self.queue.send(Msg::Remove { force: false, volumes: true, reply });
            }
        }
        None
    }

    fn take_error(&mut self) -> Result<(), Error> {
        self.start_error.take().map_or(Ok(()), Err)
    }

    async fn start(&mut self) -> Result<(), Error> {
        if self.record.state.phase == Phase::Paused {
            return Err(Error::Conflict(Refused::StartPaused.to_string()));
        }
        match self.apply(Input::Start, "cannot start container").await {
            Err(Error::State { source: Refused::AlreadyRunning, .. }) => {
                Err(Error::NotModified(Refused::AlreadyRunning.to_string()))
            }
            Err(Error::State { source, .. }) => Err(Error::Conflict(source.to_string())),
            other => other.and_then(|()| self.take_error()),
        }
    }

    async fn signal(&mut self, signal: i32) -> Result<(), Error> {
        let not_running = || Error::NotRunning(self.record.id.to_string());
        let Some(shim) = self.shim.as_ref().filter(|_| self.record.state.is_alive()) else {
            return Err(not_running());
        };
        match shim.signal(None, signal).await {
            Err(error) if is_not_running(&error) => return Err(not_running()),
            other => other?,
        }
        // A frozen container dies of SIGKILL only once it is thawed (cgroup v1).
        if self.record.state.phase == Phase::Paused && signal == SIGKILL {
            let _ = self.apply(Input::Unpause, "cannot unpause container").await;
            self.start_error = None;
        }
        self.emit("kill", [("signal", signal.to_string())]);
        Ok(())
    }

    async fn freeze(&mut self, request: Request, done: Input) -> Option<Input> {
        let result = match &self.shim {
            Some(shim) => shim.ask(request).await,
            None => Err(Error::ShimGone),
        };
        match result {
            Ok(()) => Some(done),
            Err(error) => {
                self.start_error = Some(error);
                None
            }
        }
    }

    fn rename(&mut self, name: String) -> Result<(), Error> {
        let old = std::mem::replace(&mut self.record.name, name);
        if let Err(error) = self.shared.meta.put(CONTAINERS, self.record.id.as_str(), &self.record) {
            self.record.name = old;
            return Err(error.into());
        }
        self.shared.networks.rename(&self.record.id, &self.record.name);
        self.publish();
        self.emit("rename", [("oldName", format!("/{old}"))]);
        Ok(())
    }

    pub(super) fn persist(&self) {
        if let Err(error) = self.shared.meta.put(CONTAINERS, self.record.id.as_str(), &self.record) {
            tracing::error!("container {}: its record could not be written: {error}", self.id().short());
        }
    }

    /// Shows readers the state as it is now.
    pub(super) fn publish(&self) {
        let execs: Vec<String> = self.execs.values().filter(|e| e.is_live()).map(|e| e.id.clone()).collect();
        let view = super::view::build(&self.shared, &self.record, self.rootfs.clone(), self.sandbox.as_ref(), &execs);
        self.handle.view.store(Arc::new(view));
    }

    fn emit_state(&self, action: &'static str) {
        if action != "die" {
            return self.emit(action, []);
        }
        let state = &self.record.state;
        let seconds = (state.finished_at - state.started_at).max(0) / 1_000_000_000;
        self.emit("die", [("exitCode", state.exit_code.to_string()), ("execDuration", seconds.to_string())]);
    }

    /// Emits an event about this container, with the attributes that all of them have.
    pub(super) fn emit<const N: usize>(&self, action: &str, extra: [(&str, String); N]) {
        self.shared.emit_container(&self.record, action, extra);
    }

    fn schedule_restart(&mut self, delay_ms: u64) {
        let (queue, run) = (self.queue.clone(), self.run);
        self.backoff = Some(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            let _ = queue.send(Msg::BackoffOver { run });
        }));
    }

    fn wait(&mut self, condition: WaitCondition, tx: oneshot::Sender<WaitResult>) {
        let phase = self.record.state.phase;
        let over = !matches!(phase, Phase::Running | Phase::Paused | Phase::Restarting | Phase::Starting);
        if condition == WaitCondition::NotRunning && over {
            let _ = tx.send(self.wait_result());
        } else {
            self.waiters.retain(|(_, tx)| !tx.is_closed());
            self.waiters.push((condition, tx));
        }
    }

    fn wait_result(&self) -> WaitResult {
        let state = &self.record.state;
        let error = (!state.error.is_empty()).then(|| state.error.clone());
        WaitResult { status: i64::from(state.exit_code), error }
    }

    fn notify_exit(&mut self) {
        self.exits.send_modify(|n| *n += 1);
        let result = self.wait_result();
        // A start that failed is no exit: who waits for the next one goes on waiting.
        let failed = result.error.is_some();
        let (stay, go) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|(c, _)| *c == WaitCondition::Removed || (failed && *c == WaitCondition::NextExit));
        self.waiters = stay;
        for (_, tx) in go {
            let _ = tx.send(result.clone());
        }
    }

    async fn shim_event(&mut self, event: ShimEvent, inbox: &mut mpsc::UnboundedReceiver<Msg>) {
        match event {
            ShimEvent::Said(Event::Exit(exit)) => self.exited(&exit).await,
            ShimEvent::Said(Event::ExecExit(exit)) => self.exec_exited(&exit),
            ShimEvent::Said(Event::Oom) => {
                self.record.state.oom_killed = true;
                self.emit("oom", []);
                self.publish();
            }
            ShimEvent::Said(Event::LogRotated) => self.compress_logs(),
            ShimEvent::Gone => self.shim_gone(inbox).await,
        }
    }

    /// Compresses rotated logs in the background, unless the user does not want it.
    fn compress_logs(&self) {
        if !super::shipping::compresses(&self.record) {
            return;
        }
        let Some(path) = super::shipping::file(&self.shared, &self.record) else { return };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = logdriver::compress_rotated(&path) {
                tracing::warn!("{error}");
            }
        });
    }

    pub(super) async fn exited(&mut self, exit: &shim_proto::ExitRecord) {
        let info = ExitInfo {
            code: exit.status,
            oom_killed: exit.oom_killed || self.record.state.oom_killed,
            at: if exit.exited_at > 0 { exit.exited_at } else { files::now() },
        };
        // Never refused.
        let _ = self.apply(Input::Exited(info), "").await;
    }

    /// The shim died, or went after its work was done. If the container was alive, its init died with the shim
    /// (parent-death signal): the exit record tells how, if the shim got as far as writing it.
    async fn shim_gone(&mut self, _inbox: &mut mpsc::UnboundedReceiver<Msg>) {
        self.shim = None;
        if !self.record.state.is_alive() {
            return;
        }
        tracing::warn!("container {}: its monitor died", self.id().short());
        let exit = super::restore::exit_after_shim(&self.shared, &self.record);
        super::restore::clean_up_run(&self.shared, &self.record).await;
        self.exited(&exit).await;
    }

    async fn remove(
        &mut self,
        force: bool,
        volumes: bool,
        inbox: &mut mpsc::UnboundedReceiver<Msg>,
    ) -> Result<(), Error> {
        let was_alive = self.record.state.is_alive();
        // Kept with the phase: a daemon that takes over goes on with it.
        let before = self.record.remove_volumes;
        self.record.remove_volumes = before || volumes;
        match self.apply(Input::Remove { force }, "cannot remove container").await {
            Err(Error::State { source: Refused::RemoveAlive { status }, .. }) => {
                self.record.remove_volumes = before;
                return Err(Error::Conflict(format!(
                    "cannot remove container \"{}\": container is {status}: stop the container before removing or force remove",
                    self.record.name
                )));
            }
            Err(Error::State { source: Refused::AlreadyRemoving, .. }) => {
                return Err(Error::Conflict(format!("removal of container {} is already in progress", self.id())));
            }
            other => other?,
        }
        let result = self.delete(was_alive, inbox).await;
        if let Err(error) = &result {
            tracing::error!("container {}: removal failed: {error}", self.id().short());
            let _ = self.apply(Input::RemoveFailed, "").await;
            self.notify_removal(&WaitResult { error: Some(error.to_string()), ..self.wait_result() });
        }
        result
    }

    async fn delete(&mut self, was_alive: bool, inbox: &mut mpsc::UnboundedReceiver<Msg>) -> Result<(), Error> {
        if was_alive {
            self.kill_and_wait(inbox).await?;
        }
        self.release_run().await;
        self.end_shipping().await;
        self.remove_volumes().await;
        super::mounts::release_images(&self.shared, self.id(), &self.record.mounts);
        self.shared.images.rootfs().remove_rw(self.id())?;
        files::remove_tree_aside(&self.shared.container_dir(self.id()))?;
        self.shared.meta.delete(CONTAINERS, self.record.id.as_str())?;
        self.shared.containers.remove(self.id());
        self.removed = true;
        self.pending_attach.clear();
        self.emit("destroy", []);
        // Who waits for the removal is told of errors of the removal only.
        let result = WaitResult { error: None, ..self.wait_result() };
        self.notify_removal(&result);
        Ok(())
    }

    /// Answers all who wait: there is no later run, and no other end of the removal.
    fn notify_removal(&mut self, result: &WaitResult) {
        for (_, tx) in std::mem::take(&mut self.waiters) {
            let _ = tx.send(result.clone());
        }
    }

    /// Removes the volumes that nobody named, if they shall go, and no other container has them.
    async fn remove_volumes(&self) {
        let anonymous = self.record.mounts.iter().filter(|p| p.kind == "volume" && p.anonymous);
        let names: Vec<String> = anonymous.map(|p| p.name.clone()).collect();
        if !self.record.remove_volumes || names.is_empty() {
            return;
        }
        let (shared, id) = (self.shared.clone(), self.record.id.clone());
        let work = move || names.iter().for_each(|name| super::mounts::remove_anonymous(&shared, name, &id));
        if tokio::task::spawn_blocking(work).await.is_err() {
            tracing::warn!("container {}: its volumes could not be removed", self.id().short());
        }
    }

    /// Kills the init and waits until the shim has told its exit. Other messages are kept in order behind.
    async fn kill_and_wait(&mut self, inbox: &mut mpsc::UnboundedReceiver<Msg>) -> Result<(), Error> {
        let Some(shim) = self.shim.clone() else { return Ok(()) };
        match shim.signal(None, SIGKILL).await {
            Err(error) if !is_not_running(&error) => return Err(error),
            _ => {}
        }
        // A frozen process takes the signal once it is thawed.
        let _ = shim.ask(Request::Resume).await;
        self.emit("kill", [("signal", SIGKILL.to_string())]);
        let mut later = Vec::new();
        let died = tokio::time::timeout(KILL_TIMEOUT, async {
            while let Some(message) = inbox.recv().await {
                match message {
                    Msg::Shim { run, event: ShimEvent::Said(Event::Exit(exit)) } if run == self.run => {
                        self.exited(&exit).await;
                        return;
                    }
                    Msg::Shim { run, event: ShimEvent::Gone } if run == self.run => {
                        self.shim = None;
                        let exit = super::restore::exit_after_shim(&self.shared, &self.record);
                        self.exited(&exit).await;
                        return;
                    }
                    other => later.push(other),
                }
            }
        })
        .await;
        for message in later {
            let _ = self.queue.send(message);
        }
        died.map_err(|_| {
            Error::Conflict(format!(
                "could not kill container: {}: tried to kill container, but did not receive an exit event",
                self.id()
            ))
        })
    }
}
