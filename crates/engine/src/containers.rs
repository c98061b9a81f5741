//! Containers: the service. Looks objects up and hands work to their owners.

mod actor;
mod attach;
mod create;
mod devices;
mod exec;
mod health;
mod identity;
mod launch;
mod links;
mod list;
mod logs;
mod mounts;
mod names;
mod record;
mod registry;
mod restore;
mod shipping;
mod stats;
mod stop;
mod top;
mod tree;
mod types;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use id::ContainerId;
use shim_proto::Size;
use tokio::sync::oneshot;

pub(crate) use actor::{Actor, Attached, Msg};
pub(crate) use identity::AccountCache;
pub(crate) use launch::host_facts;
pub use links::Links;
pub use logs::LogStream;
pub(crate) use record::{CONTAINERS, ContainerRecord};
pub(crate) use registry::{Handle, Registry};
pub use stats::{Sample, Traffic};
pub use tree::{Extract, PathStat, Tree, TreeUse};
pub use types::{
    AttachOptions, Created, ExecCreate, ExecStart, ExecView, ListOptions, LogOptions, RemoveOptions, Top,
    WaitCondition, WaitResult, Waiter,
};
pub use view::{ContainerView, MountPoint, NetworkState};

use crate::Error;
use crate::engine::Shared;

/// Containers and their exec sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Containers {
    shared: Arc<Shared>,
    /// Which container an exec session belongs to.
    execs: Arc<Mutex<HashMap<String, ContainerId>>>,
}

impl Containers {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, execs: Arc::default() }
    }

    fn find(&self, reference: &str) -> Result<Arc<Handle>, Error> {
        self.shared.containers.find(reference)
    }

    fn exec_owners(&self) -> std::sync::MutexGuard<'_, HashMap<String, ContainerId>> {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the owner of a container.
    fn adopt(&self, record: ContainerRecord) -> (Actor, tokio::sync::mpsc::UnboundedReceiver<Msg>) {
        let (actor, inbox) = Actor::new(self.shared.clone(), record);
        self.shared.containers.insert(actor.handle());
        (actor, inbox)
    }

    /// A container as it is.
    ///
    /// # Errors
    /// Not found or ambiguous.
    pub fn inspect(&self, reference: &str) -> Result<Arc<ContainerView>, Error> {
        Ok(self.find(reference)?.view())
    }

    /// Bytes of the read-write layer and of the whole root file system.
    ///
    /// # Errors
    /// Not found, or the layer cannot be read.
    pub async fn size(&self, reference: &str) -> Result<(i64, i64), Error> {
        let view = self.find(reference)?.view();
        let shared = self.shared.clone();
        let size = move || -> Result<(i64, i64), Error> {
            let rw = shared.images.rootfs().rw_usage(&view.id)?;
            let image = shared.images.inspect(view.image_id.as_str(), None).map_or(0, |i| i.size);
            let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            Ok((signed(rw), signed(rw + image)))
        };
        tokio::task::spawn_blocking(size).await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Starts a container.
    ///
    /// # Errors
    /// [`Error::NotModified`] if it runs; [`Error::StartFailed`] and others if it cannot.
    pub async fn start(&self, reference: &str) -> Result<(), Error> {
        let handle = self.find(reference)?;
        self.finish(async move { handle.ask(Msg::Start).await }).await
    }

    /// Sends a signal (`KILL`, `SIGKILL`, `9`; empty is `KILL`).
    ///
    /// # Errors
    /// [`Error::InvalidSignal`], [`Error::KillNotRunning`].
    pub async fn kill(&self, reference: &str, signal: &str) -> Result<(), Error> {
        let kill = |error| Error::Kill { name: reference.to_owned(), source: Box::new(error) };
        let signal = if signal.is_empty() { Ok(9) } else { parse_signal(signal) };
        let signal = signal.map_err(kill)?;
        let handle = self.find(reference).map_err(kill)?;
        stop::kill(&handle, reference, signal).await
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// If its state does not allow it.
    pub async fn pause(&self, reference: &str) -> Result<(), Error> {
        let handle = self.find(reference)?;
        self.finish(async move { handle.ask(Msg::Pause).await }).await
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// If its state does not allow it.
    pub async fn unpause(&self, reference: &str) -> Result<(), Error> {
        let handle = self.find(reference)?;
        self.finish(async move { handle.ask(Msg::Unpause).await }).await
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`Error::NameInUse`], [`Error::InvalidName`], [`Error::SameName`], [`Error::EmptyName`].
    pub async fn rename(&self, reference: &str, name: &str) -> Result<(), Error> {
        if reference.is_empty() || name.is_empty() {
            return Err(Error::EmptyName);
        }
        let handle = self.find(reference)?;
        let rename = |error: Error| Error::Rename(Box::new(error));
        // As Docker tells it: with its slash.
        let name = names::check(name).map_err(|_| rename(Error::InvalidName(format!("/{name}"))))?;
        let old = handle.view().name.clone();
        if old == name {
            return Err(Error::SameName);
        }
        self.shared.containers.reserve(name, &handle.id).map_err(rename)?;
        let result = handle.ask(|reply| Msg::Rename { name: name.to_owned(), reply }).await;
        self.shared.containers.release(if result.is_ok() { &old } else { name });
        result
    }

    /// Removes a container.
    ///
    /// # Errors
    /// If it lives and removal is not forced, or a step of the removal fails.
    pub async fn remove(&self, reference: &str, options: RemoveOptions) -> Result<(), Error> {
        if options.link {
            return self.unlink(reference).await;
        }
        let handle = self.find(reference)?;
        let RemoveOptions { force, volumes, .. } = options;
        self.finish(async move { handle.ask(|reply| Msg::Remove { force, volumes, reply }).await }).await
    }

    /// Removes the containers that do not run and pass the filters; gives their ids and the bytes won.
    ///
    /// # Errors
    /// A wrong filter.
    pub async fn prune(&self, filters: &units::filter::Filters) -> Result<(Vec<ContainerId>, u64), Error> {
        list::check_prune_filters(filters)?;
        let (mut ids, mut bytes) = (Vec::new(), 0);
        for handle in self.shared.containers.all() {
            let view = handle.view();
            let phase = view.state.phase;
            let idle = matches!(phase, container::Phase::Created | container::Phase::Exited | container::Phase::Dead);
            if !idle || !list::passes_prune(&view, filters)? {
                continue;
            }
            let size = self.shared.images.rootfs().rw_usage(&view.id).unwrap_or(0);
            if handle.ask(|reply| Msg::Remove { force: false, volumes: false, reply }).await.is_ok() {
                ids.push(view.id.clone());
                bytes += size;
            }
        }
        Ok((ids, bytes))
    }

    /// Registers a wait; await [`Waiter::result`] for its end.
    ///
    /// # Errors
    /// Not found or ambiguous.
    pub fn wait(&self, reference: &str, condition: WaitCondition) -> Result<Waiter, Error> {
        let handle = self.find(reference)?;
        let (tx, rx) = oneshot::channel();
        let gone = || Error::NoSuchContainer(reference.to_owned());
        handle.queue.send(Msg::Wait { condition, tx }).map_err(|_| gone())?;
        Ok(Waiter(rx))
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn resize(&self, reference: &str, rows: u16, cols: u16) -> Result<(), Error> {
        let handle = self.find(reference)?;
        let size = Size { rows, cols };
        handle.ask(|reply| Msg::Resize { exec: None, size, reply }).await?;
        let size = [("height", rows.to_string()), ("width", cols.to_string())];
        self.emit_view(&handle, "resize", size);
        Ok(())
    }

    /// Changes limits and the restart policy, live where it runs. Gives what the user should be told.
    ///
    /// # Errors
    /// A wrong value, or the kernel refuses.
    pub async fn update(&self, reference: &str, host: spec::HostConfig) -> Result<Vec<String>, Error> {
        if !host.restart_policy.name.is_empty() {
            container::RestartPolicy::parse(&host.restart_policy)?;
        }
        let handle = self.find(reference)?;
        handle.ask(|reply| Msg::Update { host: Box::new(host), reply }).await
    }

    fn emit_view<const N: usize>(&self, handle: &Handle, action: &str, extra: [(&str, String); N]) {
        let view = handle.view();
        let mut attributes = view.spec.config.labels.clone().unwrap_or_default();
        attributes.insert("image".to_owned(), view.spec.config.image.clone());
        attributes.insert("name".to_owned(), view.name.clone());
        attributes.extend(extra.into_iter().map(|(k, v)| (k.to_owned(), v)));
        self.shared.events.emit(event::Kind::Container, action, view.id.as_str(), attributes);
    }

    /// Runs an operation to its end even if the caller goes away half-way.
    async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        tokio::spawn(work).await.unwrap_or(Err(Error::ShuttingDown))
    }
}

fn parse_signal(signal: &str) -> Result<i32, Error> {
    units::signal::parse_signal(signal).map_err(|_| Error::InvalidSignal(signal.to_owned()))
}
