//! Exec sessions across a restart of the daemon: the shim knows which of them run; what they were made of lies in a
//! file for each, below the exec-root, because they do not outlive a boot.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shim_proto::{ExecState, Request, Status};
use tokio::sync::watch;

use super::ExecEntry;
use crate::containers::actor::Actor;
use crate::containers::types::ExecCreate;
use crate::files;

const SIGKILL: i32 = 9;

/// What is kept of a session.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    create: ExecCreate,
    #[serde(default)]
    probe: bool,
    #[serde(default)]
    exit_code: Option<i32>,
}

impl Actor {
    fn execs_dir(&self) -> PathBuf {
        self.shared.execs_dir(&self.record.id)
    }

    fn saved_path(&self, id: &str) -> PathBuf {
        self.execs_dir().join(format!("{id}.json"))
    }

    /// Keeps what a session is made of. A failure costs the session its name after a restart of the daemon, no more.
    pub(super) fn exec_save(&self, entry: &ExecEntry) {
        let saved = Saved { create: entry.create.clone(), probe: entry.probe, exit_code: entry.exit_code };
        let written = serde_json::to_vec(&saved).map_err(|e| e.to_string()).and_then(|bytes| {
            let made = files::make_dir(&self.execs_dir(), 0o700);
            made.and_then(|()| files::write(&self.saved_path(&entry.id), &bytes, 0o600)).map_err(|e| e.to_string())
        });
        if let Err(error) = written {
            tracing::warn!("container {}: its exec session {}: {error}", self.record.id.short(), entry.id);
        }
    }

    pub(super) fn exec_unsave(&self, id: &str) {
        // It may never have been written.
        let _ = std::fs::remove_file(self.saved_path(id));
    }

    /// Forgets all saved sessions: their run is over.
    pub(in crate::containers) fn execs_unsave_all(&self) {
        if let Err(error) = files::remove_tree(&self.execs_dir()) {
            tracing::warn!("container {}: its exec sessions: {error}", self.record.id.short());
        }
    }

    /// Learns of the sessions that an earlier daemon made, from their files and from the shim.
    pub(in crate::containers) async fn execs_restore(&mut self, states: Vec<ExecState>) {
        for (id, saved) in self.saved() {
            let entry = ExecEntry {
                started: saved.exit_code.is_some(),
                exit_code: saved.exit_code,
                running: false,
                pid: 0,
                over: watch::Sender::new(saved.exit_code.is_some()),
                create: saved.create,
                probe: saved.probe,
                forget: saved.probe,
                id: id.clone(),
            };
            self.execs.insert(id, entry);
        }
        for state in states {
            match (state.status, state.exit) {
                (Status::Exited, Some(exit)) => self.exec_exited(&exit),
                (Status::Running | Status::Paused, _) => self.exec_adopt(&state.id, state.pid).await,
                // Prepared, but the daemon died before it said start: it can be started anew.
                _ => self.ask_shim(Request::ExecDelete { id: state.id }).await,
            }
        }
        // A probe that the shim does not know any more.
        let done: Vec<String> = self.execs.values().filter(|e| e.probe && !e.running).map(|e| e.id.clone()).collect();
        done.iter().for_each(|id| self.exec_forget(id));
    }

    async fn exec_adopt(&mut self, id: &str, pid: i32) {
        let probe = match self.execs.get_mut(id) {
            Some(entry) => {
                (entry.started, entry.running, entry.pid) = (true, true, pid);
                entry.probe
            }
            None => false,
        };
        if probe {
            // Nobody reads its output any more; the next one comes in its time.
            self.ask_shim(Request::Signal { exec: Some(id.to_owned()), signal: SIGKILL, all: false }).await;
        }
    }

    async fn ask_shim(&self, request: Request) {
        if let Some(shim) = &self.shim
            && let Err(error) = shim.ask(request).await
        {
            tracing::debug!("container {}: {error}", self.record.id.short());
        }
    }

    fn saved(&self) -> Vec<(String, Saved)> {
        let entries = std::fs::read_dir(self.execs_dir()).into_iter().flatten().flatten();
        let read = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_suffix(".json")?.to_owned();
            let bytes = std::fs::read(entry.path()).ok()?;
            match serde_json::from_slice(&bytes) {
                Ok(saved) => Some((id, saved)),
                Err(error) => {
                    tracing::warn!("container {}: its exec session {id}: {error}", self.record.id.short());
                    None
                }
            }
        });
        read.collect()
    }
}
