//! Which containers there are, and what they are called.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;
use id::ContainerId;
use tokio::sync::{mpsc, oneshot, watch};

use super::actor::{Msg, Reply};
use super::view::ContainerView;
use crate::Error;

/// The rest of the engine's end of one container: its last view, and the queue of its owner.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: ContainerId,
    pub(crate) view: ArcSwap<ContainerView>,
    pub(crate) queue: mpsc::UnboundedSender<Msg>,
    /// Counts up whenever a run ends; log followers wait on it.
    pub(crate) exits: watch::Receiver<u64>,
}

impl Handle {
    /// Asks the owner and waits for its answer.
    pub(crate) async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Msg) -> Result<T, Error> {
        let (tx, rx) = oneshot::channel();
        let gone = || Error::NoSuchContainer(self.id.to_string());
        self.queue.send(message(tx)).map_err(|_| gone())?;
        rx.await.map_err(|_| gone())?
    }

    pub(crate) fn view(&self) -> Arc<ContainerView> {
        self.view.load_full()
    }
}

/// All containers by id and name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_id: BTreeMap<ContainerId, Arc<Handle>>,
    names: HashMap<String, ContainerId>,
}

impl Registry {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name for `id`, or says whose it is.
    pub(crate) fn reserve(&self, name: &str, id: &ContainerId) -> Result<(), Error> {
        let mut inner = self.write();
        if let Some(owner) = inner.names.get(name) {
            return Err(Error::NameInUse { name: name.to_owned(), id: owner.clone() });
        }
        inner.names.insert(name.to_owned(), id.clone());
        Ok(())
    }

    /// Gives a name back.
    pub(crate) fn release(&self, name: &str) {
        self.write().names.remove(name);
    }

    pub(crate) fn insert(&self, handle: Arc<Handle>) {
        self.write().by_id.insert(handle.id.clone(), handle);
    }

    /// Forgets a container and its name.
    pub(crate) fn remove(&self, id: &ContainerId) {
        let mut inner = self.write();
        inner.by_id.remove(id);
        inner.names.retain(|_, owner| owner != id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.read().by_id.values().cloned().collect()
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Option<Arc<Handle>> {
        self.read().by_id.get(id).cloned()
    }

    /// By full id, then name, then unique prefix of an id, as Docker does.
    pub(crate) fn find(&self, reference: &str) -> Result<Arc<Handle>, Error> {
        let inner = self.read();
        let full = reference.parse::<ContainerId>().ok().and_then(|id| inner.by_id.get(&id).cloned());
        if let Some(handle) = full {
            return Ok(handle);
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(handle) = inner.names.get(name).and_then(|id| inner.by_id.get(id)) {
            return Ok(handle.clone());
        }
        let linked = name.rsplit_once('/').and_then(|(parent, alias)| {
            let parent = inner.names.get(parent).and_then(|id| inner.by_id.get(id))?.view();
            parent.links.get(alias).and_then(|id| inner.by_id.get(id)).cloned()
        });
        if let Some(handle) = linked {
            return Ok(handle);
        }
        if reference.is_empty() {
            return Err(Error::NoSuchContainer(reference.to_owned()));
        }
        let mut matches = inner.by_id.iter().filter(|(id, _)| id.as_str().starts_with(reference));
        match (matches.next(), matches.next()) {
            (Some((_, handle)), None) => Ok(handle.clone()),
            (Some(_), Some(_)) => Err(Error::AmbiguousId(reference.to_owned())),
            (None, _) => Err(Error::NoSuchContainer(reference.to_owned())),
        }
    }
}
