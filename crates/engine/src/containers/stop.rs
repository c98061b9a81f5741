//! Stopping, killing, restarting.

use std::time::Duration;

use container::Phase;

use super::{Containers, Handle, Msg, WaitCondition, Waiter, parse_signal};
use crate::Error;

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
/// How long a process may take to die of SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

impl Containers {
    /// Stops a container: its stop signal (or `signal`), then after `timeout` seconds (-1: never) SIGKILL.
    ///
    /// # Errors
    /// [`Error::NotModified`] if it does not run.
    pub async fn stop(&self, reference: &str, timeout: Option<i64>, signal: &str) -> Result<(), Error> {
        let handle = self.find(reference)?;
        let signal = if signal.is_empty() { None } else { Some(parse_signal(signal)?) };
        let this = self.clone();
        self.finish(async move { this.stop_handle(&handle, timeout, signal).await }).await
    }

    async fn stop_handle(&self, handle: &Handle, timeout: Option<i64>, signal: Option<i32>) -> Result<(), Error> {
        let view = handle.view();
        if !view.state.is_alive() && view.state.phase != Phase::Restarting && view.state.phase != Phase::Starting {
            return Err(Error::NotModified("container already stopped".to_owned()));
        }
        handle.ask(Msg::StopRequested).await?;
        let declared = parse_signal(&view.spec.config.stop_signal).unwrap_or(SIGTERM);
        let timeout = timeout.or(view.spec.config.stop_timeout).unwrap_or(self.shared.live().default_stop_timeout);
        let waiter = self.wait(view.id.as_str(), WaitCondition::NotRunning)?;
        let mut dead = std::pin::pin!(waiter.result());
        let sent = send(handle, signal.unwrap_or(declared)).await?;
        let grace = u64::try_from(timeout).ok().map(Duration::from_secs);
        let in_time = match grace {
            _ if !sent => true,
            Some(grace) => tokio::time::timeout(grace, &mut dead).await.is_ok(),
            None => dead.as_mut().await.is_ok(),
        };
        if !in_time {
            tracing::info!(
                "container {} did not exit within {timeout}s of signal {declared}: killing it",
                view.id.short()
            );
            send(handle, SIGKILL).await?;
            tokio::time::timeout(KILL_TIMEOUT, dead).await.map_err(|_| {
                Error::Conflict(format!(
                    "cannot stop container: {}: tried to kill container, but did not receive an exit event",
                    view.id
                ))
            })??;
        }
        self.emit_view(handle, "stop", []);
        Ok(())
    }

    /// Stops a container if it runs, and starts it.
    ///
    /// # Errors
    /// Of [`Self::stop`] and [`Self::start`], but not that it did not run.
    pub async fn restart(&self, reference: &str, timeout: Option<i64>, signal: &str) -> Result<(), Error> {
        let handle = self.find(reference)?;
        let signal = if signal.is_empty() { None } else { Some(parse_signal(signal)?) };
        let this = self.clone();
        self.finish(async move {
            match this.stop_handle(&handle, timeout, signal).await {
                Ok(()) | Err(Error::NotModified(_)) => {}
                Err(error) => return Err(error),
            }
            match handle.ask(Msg::Start).await {
                Ok(()) | Err(Error::NotModified(_)) => {}
                Err(error) => return Err(error),
            }
            this.emit_view(&handle, "restart", []);
            Ok(())
        })
        .await
    }

    /// Stops all containers side by side (the daemon goes down without live-restore).
    pub(crate) async fn stop_all(&self) {
        let timeout = i64::try_from(self.shared.live().shutdown_timeout).unwrap_or(i64::MAX);
        let mut stops = tokio::task::JoinSet::new();
        for handle in self.shared.containers.all() {
            if handle.view().state.is_alive() {
                let this = self.clone();
                stops.spawn(async move { this.stop_handle(&handle, Some(timeout), None).await });
            }
        }
        while let Some(result) = stops.join_next().await {
            if let Ok(Err(error)) = result {
                tracing::warn!("stopping containers: {error}");
            }
        }
    }
}

/// Sends a signal; `false` if there is nothing to send it to any more.
async fn send(handle: &Handle, signal: i32) -> Result<bool, Error> {
    match handle.ask(|reply| Msg::Signal { signal, reply }).await {
        Ok(()) => Ok(true),
        Err(Error::NotRunning(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `docker kill`. A signal that is meant to end the container keeps its restart policy from starting it again, and
/// SIGKILL is waited for.
pub(super) async fn kill(handle: &Handle, reference: &str, signal: i32) -> Result<(), Error> {
    let view = handle.view();
    let not_running = || Error::KillNotRunning { name: reference.to_owned(), id: view.id.clone() };
    if !view.state.is_alive() {
        return Err(not_running());
    }
    let declared = parse_signal(&view.spec.config.stop_signal).unwrap_or(SIGTERM);
    if [SIGINT, SIGQUIT, SIGKILL, SIGTERM, declared].contains(&signal) {
        handle.ask(Msg::StopRequested).await?;
    }
    let (tx, rx) = tokio::sync::oneshot::channel();
    let wait = Msg::Wait { condition: WaitCondition::NotRunning, tx };
    handle.queue.send(wait).map_err(|_| Error::NoSuchContainer(reference.to_owned()))?;
    if !send(handle, signal).await? {
        return Err(not_running());
    }
    if signal == SIGKILL {
        let dead = tokio::time::timeout(KILL_TIMEOUT, Waiter(rx).result()).await;
        if dead.is_err() {
            return Err(Error::Conflict(format!(
                "cannot kill container: {reference}: tried to kill container, but did not receive an exit event"
            )));
        }
    }
    Ok(())
}
