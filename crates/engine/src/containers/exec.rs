//! Exec sessions: more processes in a running container.

mod saved;

use container::Phase;
use shim_proto::{AttachSpec, ExecExit, ExecSpec, Reply, Request, Size};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::actor::{Actor, Attached};
use super::{Containers, ExecCreate, ExecStart, ExecView, Handle, Msg};
use crate::session::{Session, parse_detach_keys};
use crate::{Error, files};

/// How many finished sessions a container remembers.
const FINISHED_KEPT: usize = 64;

/// One session, as the container's owner keeps it.
#[derive(Debug, Clone)]
pub(crate) struct ExecEntry {
    pub(super) id: String,
    pub(super) create: ExecCreate,
    pub(super) started: bool,
    pub(super) running: bool,
    pub(super) pid: i32,
    pub(super) exit_code: Option<i32>,
    /// A probe of the health check: no client knows it.
    pub(super) probe: bool,
    /// Goes as soon as it is over.
    pub(super) forget: bool,
    /// Becomes true when the exit code is known.
    pub(super) over: watch::Sender<bool>,
}

impl ExecEntry {
    /// A session that has not run, with an id of its own.
    pub(super) fn new(create: ExecCreate, probe: bool) -> Result<Self, Error> {
        Ok(Self {
            id: String::from(id::ExecId::from_bytes(files::random()?)),
            create,
            started: false,
            running: false,
            pid: 0,
            exit_code: None,
            probe,
            forget: false,
            over: watch::Sender::new(false),
        })
    }

    /// Not over yet.
    pub(super) fn is_live(&self) -> bool {
        self.exit_code.is_none()
    }

    fn command(&self) -> String {
        self.create.cmd.join(" ")
    }
}

impl Containers {
    /// Makes a session; nothing runs yet.
    ///
    /// # Errors
    /// The container does not run, no command.
    pub async fn exec_create(&self, reference: &str, create: ExecCreate) -> Result<String, Error> {
        let handle = self.find(reference)?;
        let view = handle.view();
        match view.state.phase {
            Phase::Running => {}
            Phase::Paused => return Err(Error::ExecPaused(view.id.to_string())),
            Phase::Restarting => return Err(Error::ContainerRestarting(view.id.to_string())),
            _ => return Err(Error::NotRunning(view.id.to_string())),
        }
        if create.cmd.is_empty() {
            return Err(Error::ExecNoCommand);
        }
        parse_detach_keys(create.detach_keys.as_deref())?;
        if !create.user.is_empty() {
            super::identity::of_running(view.state.pid)?.resolve(&create.user, &[])?;
        }
        let entry = ExecEntry::new(create, false)?;
        let id = entry.id.clone();
        handle.ask(|reply| Msg::ExecAdd { entry: Box::new(entry), reply }).await?;
        let mut owners = self.exec_owners();
        owners.retain(|_, owner| self.shared.containers.get(owner).is_some());
        owners.insert(id.clone(), handle.id.clone());
        Ok(id)
    }

    /// Sessions that were there before this daemon belong to their container again.
    pub(super) fn own_execs(&self, owner: &id::ContainerId, execs: impl Iterator<Item = String>) {
        self.exec_owners().extend(execs.map(|exec| (exec, owner.clone())));
    }

    fn exec_owner(&self, id: &str) -> Result<std::sync::Arc<Handle>, Error> {
        let missing = || Error::NoSuchExec(id.to_owned());
        let owner = self.exec_owners().get(id).cloned().ok_or_else(missing)?;
        self.shared.containers.get(&owner).ok_or_else(missing)
    }

    /// Runs a session; gives the attachment unless detached.
    ///
    /// # Errors
    /// It ran before, the container does not run, the command cannot be run.
    pub async fn exec_start(&self, id: &str, start: ExecStart) -> Result<Option<Session>, Error> {
        let handle = self.exec_owner(id)?;
        let view = handle.view();
        match view.state.phase {
            Phase::Running => {}
            Phase::Paused => return Err(Error::ExecPaused(view.id.to_string())),
            _ => return Err(Error::NotRunning(view.id.to_string())),
        }
        let entry = handle.ask(|reply| Msg::ExecView { id: id.to_owned(), reply }).await?;
        let detach_keys = parse_detach_keys(entry.create.detach_keys.as_deref())?;
        let framed = entry.create.tty && !start.tty;
        let stream = {
            let (handle, id) = (handle.clone(), id.to_owned());
            self.finish(async move { handle.ask(|reply| Msg::ExecStart { id, start, reply }).await }).await?
        };
        let Some(stream) = stream else { return Ok(None) };
        let this = self.clone();
        let exec_id = id.to_owned();
        let on_detach = Box::new(move || this.emit_view(&handle, "exec_detach", [("execID", exec_id)]));
        Ok(Some(Session {
            tty: entry.create.tty,
            framed,
            logs: None,
            stream: Some(Attached::Now(stream)),
            stdin: entry.create.attach_stdin,
            detach_keys,
            on_detach,
            // A client that sees the end of the output asks for the exit code next.
            over: Some(entry.over.subscribe()),
        }))
    }

    /// A session as it is.
    ///
    /// # Errors
    /// [`Error::NoSuchExec`].
    pub async fn exec_inspect(&self, id: &str) -> Result<ExecView, Error> {
        let handle = self.exec_owner(id)?;
        let entry = handle.ask(|reply| Msg::ExecView { id: id.to_owned(), reply }).await?;
        Ok(ExecView {
            id: entry.id,
            container: handle.id.clone(),
            create: entry.create,
            running: entry.running,
            exit_code: entry.exit_code,
            pid: entry.pid,
        })
    }

    /// Sets the size of a session's terminal.
    ///
    /// # Errors
    /// [`Error::NoSuchExec`], [`Error::ExecNotRunning`].
    pub async fn exec_resize(&self, id: &str, rows: u16, cols: u16) -> Result<(), Error> {
        let handle = self.exec_owner(id)?;
        let size = Size { rows, cols };
        handle.ask(|reply| Msg::Resize { exec: Some(id.to_owned()), size, reply }).await
    }
}

impl Actor {
    pub(super) fn exec_add(&mut self, entry: ExecEntry) -> Result<(), Error> {
        let finished: Vec<String> = self.execs.values().filter(|e| !e.is_live()).map(|e| e.id.clone()).collect();
        for id in finished.iter().take(finished.len().saturating_sub(FINISHED_KEPT)) {
            self.execs.remove(id);
            self.exec_unsave(id);
        }
        self.exec_save(&entry);
        let action = format!("exec_create: {}", entry.command());
        self.emit(&action, [("execID", entry.id.clone())]);
        self.execs.insert(entry.id.clone(), entry);
        self.publish();
        Ok(())
    }

    pub(super) async fn exec_start(&mut self, id: &str, start: &ExecStart) -> Result<Option<UnixStream>, Error> {
        let entry = self.execs.get_mut(id).ok_or_else(|| Error::NoSuchExec(id.to_owned()))?;
        if entry.started {
            return Err(Error::ExecRan(id.to_owned()));
        }
        let Some(shim) = self.shim.clone().filter(|_| self.record.state.is_alive()) else {
            return Err(Error::NotRunning(self.record.id.to_string()));
        };
        entry.started = true;
        let entry = entry.clone();
        let console = start.console_size.or(entry.create.console_size);
        let process = self.exec_process(&entry.create, console)?;
        let open_stdin = entry.create.attach_stdin && !start.detach;
        let spec = ExecSpec { id: id.to_owned(), process, open_stdin };
        shim.ask(Request::Exec(Box::new(spec))).await?;
        if let Some((rows, cols)) = console.filter(|_| entry.create.tty) {
            shim.ask(Request::Resize { exec: Some(id.to_owned()), size: Size { rows, cols } }).await?;
        }
        let stream = if start.detach {
            None
        } else {
            let attach = AttachSpec {
                exec: Some(id.to_owned()),
                stdin: entry.create.attach_stdin,
                stdout: entry.create.attach_stdout,
                stderr: entry.create.attach_stderr,
            };
            Some(shim.attach(attach).await?)
        };
        let action = format!("exec_start: {}", entry.command());
        self.emit(&action, [("execID", id.to_owned())]);
        match shim.request(Request::ExecStart { id: id.to_owned() }).await?.0 {
            Reply::Started { pid, .. } => {
                if let Some(entry) = self.execs.get_mut(id) {
                    entry.running = true;
                    entry.pid = pid;
                }
                Ok(stream)
            }
            Reply::NotStarted(error) => {
                let code = error.exit_code();
                if let Some(entry) = self.execs.get_mut(id) {
                    entry.exit_code = Some(code);
                }
                if let Some(entry) = self.execs.get(id) {
                    self.exec_save(entry);
                }
                let _ = shim.ask(Request::ExecDelete { id: id.to_owned() }).await;
                let kind = match code {
                    126 | 127 => ::error::ErrorKind::InvalidParameter,
                    _ => ::error::ErrorKind::System,
                };
                let message = error.message.clone();
                Err(Error::StartFailed { message, code, kind })
            }
            Reply::Error(fault) => Err(fault.into()),
            _ => Err(Error::ShimGone),
        }
    }

    pub(super) fn exec_exited(&mut self, exit: &ExecExit) {
        if let Some(entry) = self.execs.get_mut(&exit.id) {
            entry.running = false;
            entry.exit_code = Some(exit.status);
            let forget = entry.forget;
            if let Some(entry) = self.execs.get(&exit.id).filter(|e| !e.probe) {
                self.exec_save(entry);
            }
            self.emit("exec_die", [("exitCode", exit.status.to_string()), ("execID", exit.id.clone())]);
            if let Some(entry) = self.execs.get(&exit.id) {
                entry.over.send_replace(true);
            }
            if forget {
                self.exec_forget(&exit.id);
            }
            self.publish();
        }
        if let Some(shim) = self.shim.clone() {
            let id = exit.id.clone();
            tokio::spawn(async move {
                let _ = shim.ask(Request::ExecDelete { id }).await;
            });
        }
    }
    /// Forgets a session, now or as soon as it is over.
    pub(super) fn exec_forget(&mut self, id: &str) {
        match self.execs.get_mut(id) {
            Some(entry) if entry.running => entry.forget = true,
            Some(_) => {
                self.execs.remove(id);
                self.exec_unsave(id);
            }
            None => {}
        }
    }
}
