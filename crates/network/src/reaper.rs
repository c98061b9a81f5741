//! Teardown off everybody's path: namespaces are let go of, and interfaces that outlive them are deleted in batches.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use netlink::route::{Batch, LinkRef};

use crate::Error;
use crate::host::Host;
use crate::namespace;

/// The kernel takes an unused namespace and its interfaces down by itself; what is left after this long is held by
/// somebody, and its interface is deleted by name.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum Job {
    Namespace { path: Option<PathBuf>, links: Vec<String> },
    Flush(Sender<()>),
}

/// A thread that tidies up.
#[derive(Debug)]
pub(crate) struct Reaper {
    jobs: Sender<Job>,
}

impl Reaper {
    pub(crate) fn start(host: Arc<Host>) -> Result<Self, Error> {
        let (jobs, inbox) = channel();
        std::thread::Builder::new()
            .name("netns-reaper".to_owned())
            .spawn(move || run(&host, &inbox))
            .map_err(|source| Error::Namespace { what: "start a thread", source })?;
        Ok(Self { jobs })
    }

    /// Lets go of a namespace and of the host's ends of its interfaces.
    pub(crate) fn reap(&self, path: Option<PathBuf>, links: Vec<String>) {
        let _ = self.jobs.send(Job::Namespace { path, links });
    }

    /// Waits until everything given so far is gone.
    pub(crate) fn flush(&self) {
        let (done, wait) = channel();
        if self.jobs.send(Job::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(5));
        }
    }
}

fn run(host: &Host, inbox: &Receiver<Job>) {
    let mut pending: Vec<(Instant, String)> = Vec::new();
    loop {
        let job = match pending.first() {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((due, _)) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match job {
            Ok(Job::Namespace { path, links }) => {
                if let Some(path) = path {
                    namespace::forget(&path);
                }
                let due = Instant::now() + GRACE;
                pending.extend(links.into_iter().map(|link| (due, link)));
            }
            Ok(Job::Flush(done)) => {
                delete(host, pending.drain(..).map(|(_, link)| link));
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                let split = pending.partition_point(|(due, _)| *due <= now);
                delete(host, pending.drain(..split).map(|(_, link)| link));
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Deletes those that are still there, in one batch.
fn delete(host: &Host, links: impl Iterator<Item = String>) {
    let mut batch = Batch::new();
    for link in links.filter(|l| host.index(l).is_some()) {
        batch.delete_link(LinkRef::Name(&link));
    }
    match host.route().execute_all(&batch) {
        Ok(refusals) => {
            for (_, error) in refusals.iter().filter(|(_, e)| !e.is_missing()) {
                tracing::warn!(%error, "interface not deleted");
            }
        }
        Err(error) => tracing::warn!(%error, "interfaces not deleted"),
    }
}
