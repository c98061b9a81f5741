//! Requests of daemons.

use std::os::fd::{AsFd as _, OwnedFd};

use oci::runtime::{NamespaceType, Resources, Spec};
use runtime::{Create, Exec, Manner, Started, Starting, Stdio, namespaces_to_join};
use rustix::io::Errno;
use shim_proto::{
    AttachSpec, ExecSpec, ExecState, Fault, Hello, Reply, Request, Size, StartError, State, Status, Step, ToShim,
    VERSION,
};

use crate::clock;
use crate::monitor::{CONTAINER, Monitor};
use crate::poller::Interest;
use crate::session::{Phase, Session, Streams};
use crate::token::{NUMBERS, SessionKey, Token};

/// What a request is answered with: `None` when the answer comes later.
type Answer = Result<Option<(Reply, Option<OwnedFd>)>, Fault>;

/// SIGKILL.
const KILL: i32 = 9;

fn ok() -> Answer {
    plain(Reply::Ok)
}

fn plain(reply: Reply) -> Answer {
    Ok(Some((reply, None)))
}

fn system(action: &str, errno: Errno) -> Fault {
    let detail = std::io::Error::from(errno).to_string();
    Fault::System { action: action.to_owned(), errno: errno.raw_os_error(), detail }
}

fn of_cgroup(action: &str) -> impl FnOnce(cgroup::Error) -> Fault {
    move |error| Fault::System {
        action: action.to_owned(),
        errno: error.errno().map_or(0, Errno::raw_os_error),
        detail: error.to_string(),
    }
}

fn by_runtime(action: &str, detail: String) -> Fault {
    Fault::System { action: action.to_owned(), errno: 0, detail }
}

impl Monitor {
    /// Serves one request.
    pub(crate) fn request(&mut self, peer: u32, request: ToShim) {
        let ToShim { tag, request } = request;
        let answer = match request {
            Request::Hello { version } => self.hello(peer, version),
            Request::Start => self.start(peer, tag),
            Request::State => plain(Reply::State(Box::new(self.state()))),
            Request::Signal { exec, signal, all } => self.signal(exec.as_deref(), signal, all),
            Request::Resize { exec, size } => self.resize(exec.as_deref(), size),
            Request::CloseStdin { exec } => self.close_stdin(exec.as_deref()),
            Request::Attach(spec) => self.attach(&spec),
            Request::Exec(spec) => self.exec(*spec),
            Request::ExecStart { id } => self.exec_start(&id, peer, tag),
            Request::ExecDelete { id } => self.exec_delete(&id),
            Request::Pids => self.pids(),
            Request::Pause => self.pause(),
            Request::Resume => self.resume(),
            Request::Update { resources } => self.update(&resources),
            Request::Delete => self.delete(),
        };
        match answer {
            Ok(Some((reply, fd))) => self.peers.reply(peer, tag, reply, fd, &self.poller),
            Ok(None) => {}
            Err(fault) => self.peers.reply(peer, tag, Reply::Error(fault), None, &self.poller),
        }
    }

    /// Answers what is no request. Its tag is not known: 0.
    pub(crate) fn malformed(&mut self, peer: u32, detail: String) {
        self.peers.reply(peer, 0, Reply::Error(Fault::Malformed { detail }), None, &self.poller);
    }

    fn hello(&mut self, peer: u32, version: u32) -> Answer {
        if version == 0 {
            return Err(Fault::Version { ours: VERSION, theirs: version });
        }
        self.peers.greet(peer);
        let hello = Hello {
            version: version.min(VERSION),
            shim_pid: rustix::process::getpid().as_raw_nonzero().get(),
            id: self.id.clone(),
            state: self.state(),
        };
        self.untold.clear();
        plain(Reply::Hello(Box::new(hello)))
    }

    fn state(&self) -> State {
        let container = self.sessions.get(&CONTAINER);
        let status = |session: &Session| match session.phase {
            Phase::Created(_) | Phase::Starting(_) => Status::Created,
            Phase::Running if self.paused => Status::Paused,
            Phase::Running | Phase::Ended => Status::Running,
            Phase::Reported => Status::Exited,
        };
        let present = self.sessions.values().filter_map(|session| {
            let id = session.exec.clone()?;
            let present = !matches!(session.phase, Phase::Reported);
            present.then(|| ExecState { id, status: status(session), pid: session.pid, exit: None })
        });
        let ended = self.untold.iter().map(|exit| ExecState {
            id: exit.id.clone(),
            status: Status::Exited,
            pid: exit.pid,
            exit: Some(exit.clone()),
        });
        State {
            status: container.map_or(Status::Exited, status),
            pid: container.map_or(0, |c| if matches!(c.phase, Phase::Reported) { 0 } else { c.pid }),
            started_at: self.started_at,
            exit: self.exit.clone(),
            error: self.error.clone(),
            execs: present.chain(ended).collect(),
            oom_killed: self.oom_count > 0,
        }
    }

    fn find(&mut self, exec: Option<&str>) -> Result<&mut Session, Fault> {
        self.sessions.values_mut().find(|s| s.exec.as_deref() == exec).ok_or_else(|| match exec {
            Some(id) => Fault::NoSuchExec { id: id.to_owned() },
            None => Fault::NotRunning,
        })
    }

    /// Starts the container.
    fn start(&mut self, peer: u32, tag: u64) -> Answer {
        let Some(plan) = self.plan.take() else { return Err(Fault::AlreadyStarted) };
        let stdio = self.sessions.get_mut(&CONTAINER).and_then(Session::take_stdio).ok_or(Fault::AlreadyStarted)?;
        // An older run's record must not be taken for this one's.
        let _ = std::fs::remove_file(&self.exit_file);
        self.namespaces = namespaces_to_join(&plan.spec, plan.netns.is_some());
        self.shares_pids = !has_own_pids(&plan.spec);
        if let Some(foreign) = &self.foreign {
            let made = foreign.start(&plan, stdio);
            return self.begun(CONTAINER, made);
        }
        let create = Create {
            id: &plan.id,
            spec: &plan.spec,
            rootfs: &plan.rootfs,
            netns: plan.netns.as_deref(),
            mount_point: &plan.run_dir,
            cgroup: &self.cgroup,
            init: plan.init.as_deref(),
            manner: Manner::default(),
        };
        let mut made = runtime::create(&create, stdio);
        self.filter = made.as_mut().ok().and_then(Starting::take_filter);
        self.begin(CONTAINER, made, peer, tag)
    }

    /// Notes a process that another runtime has started, or has not.
    fn begun(&mut self, key: SessionKey, made: Result<Started, StartError>) -> Answer {
        match made {
            Ok(started) => {
                let (pid, started_at) = (started.pid, clock::now());
                let session = self.sessions.get_mut(&key).ok_or(Fault::NotRunning)?;
                if session.started(started, &self.poller).is_err() {
                    let _ = session.signal(KILL);
                }
                if key == CONTAINER {
                    self.started_at = started_at;
                    self.watch_memory();
                }
                plain(Reply::Started { pid, started_at })
            }
            Err(error) => {
                if key == CONTAINER
                    && let Some(foreign) = &self.foreign
                {
                    foreign.delete();
                }
                self.not_started(key, &error);
                plain(Reply::NotStarted(Box::new(error)))
            }
        }
    }

    /// Notes a process on its way, or that it is not.
    fn begin(&mut self, key: SessionKey, made: Result<Starting, StartError>, peer: u32, tag: u64) -> Answer {
        let session = self.sessions.get_mut(&key).ok_or(Fault::NotRunning)?;
        let poller = &self.poller;
        let watched = made.and_then(|starting| {
            poller.add(starting.fd(), Token::Start(key), Interest::READ).map_err(|errno| StartError {
                step: Step::Prepare,
                errno: errno.raw_os_error(),
                path: String::new(),
                message: format!("OCI runtime create failed: epoll_ctl: {errno}"),
            })?;
            Ok(starting)
        });
        match watched {
            Ok(starting) => {
                session.phase = Phase::Starting(Box::new(starting));
                session.asked_by = Some((peer, tag));
                Ok(None)
            }
            Err(error) => {
                self.not_started(key, &error);
                plain(Reply::NotStarted(Box::new(error)))
            }
        }
    }

    /// News of a starting process.
    pub(crate) fn advance(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Phase::Starting(starting) = &mut session.phase else { return };
        let done = match starting.advance() {
            Ok(None) => return,
            Ok(Some(started)) => Ok(started),
            Err(error) => Err(error),
        };
        self.poller.remove(starting.fd());
        let asked_by = session.asked_by.take();
        let reply = match done {
            Ok(started) => {
                let (pid, started_at) = (started.pid, clock::now());
                if session.started(started, &self.poller).is_err() {
                    let _ = session.signal(KILL);
                }
                if key == CONTAINER {
                    self.started_at = started_at;
                    self.watch_memory();
                }
                Reply::Started { pid, started_at }
            }
            Err(error) => {
                self.not_started(key, &error);
                Reply::NotStarted(Box::new(error))
            }
        };
        if let Some((peer, tag)) = asked_by {
            self.peers.reply(peer, tag, reply, None, &self.poller);
        }
        self.rest_soon();
        self.apply_early(key);
    }

    fn watch_memory(&mut self) {
        self.oom = self.cgroup.oom_watch().ok();
        if let Some(oom) = &self.oom {
            let _ = self.poller.add(oom.as_fd(), Token::Oom, Interest::READ);
        }
    }

    fn not_started(&mut self, key: SessionKey, error: &StartError) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.failed(&self.poller);
        }
        if key == CONTAINER {
            self.error = Some(error.clone());
            let _ = self.cgroup.kill();
            let _ = self.cgroup.delete();
        }
        self.forget_finished();
    }

    fn signal(&mut self, exec: Option<&str>, signal: i32, all: bool) -> Answer {
        if let (Some(foreign), None) = (&self.foreign, exec) {
            if !self.sessions.get(&CONTAINER).is_some_and(Session::is_running) {
                return Err(Fault::NotRunning);
            }
            foreign.kill(signal, all).map_err(|text| by_runtime("send the signal", text))?;
        } else if all && exec.is_none() {
            for pid in self.cgroup.procs().map_err(of_cgroup("list the processes"))? {
                let _ = sys::signal::kill(pid.as_raw_nonzero().get(), signal);
            }
        }
        if self.foreign.is_none() || exec.is_some() {
            self.find(exec)?.signal(signal).map_err(|errno| match errno {
                Errno::SRCH => Fault::NotRunning,
                other => system("send the signal", other),
            })?;
        }
        if signal == KILL && self.paused && exec.is_none() {
            // Frozen processes of v1 do not die. Another runtime may have thawed them itself.
            let thawed = self.resume();
            if self.foreign.is_none() {
                thawed?;
            }
        }
        ok()
    }

    fn resize(&mut self, exec: Option<&str>, size: Size) -> Answer {
        let session = self.find(exec)?;
        if !session.tty() {
            return Err(Fault::NoTerminal);
        }
        session.resize(size).map_err(|errno| system("resize the terminal", errno))?;
        ok()
    }

    fn close_stdin(&mut self, exec: Option<&str>) -> Answer {
        let key = self.find(exec)?.key;
        if let Some(session) = self.sessions.get_mut(&key)
            && !session.tty()
        {
            session.input.end(&self.poller, Token::Stdin(key));
        }
        ok()
    }

    fn attach(&mut self, spec: &AttachSpec) -> Answer {
        let key = self.find(spec.exec.as_deref())?.key;
        let session = self.sessions.get_mut(&key).ok_or(Fault::NotRunning)?;
        let fd = session.attach(spec, &self.poller).map_err(|errno| system("attach", errno))?;
        Ok(Some((Reply::Attached, Some(fd))))
    }

    fn exec(&mut self, spec: ExecSpec) -> Answer {
        self.must_run()?;
        if self.find(Some(&spec.id)).is_ok() {
            return Err(Fault::ExecExists { id: spec.id });
        }
        let key = self.next_session;
        let size = spec.process.console_size.map(|size| Size {
            rows: u16::try_from(size.height).unwrap_or(u16::MAX),
            cols: u16::try_from(size.width).unwrap_or(u16::MAX),
        });
        let streams = Streams { tty: spec.process.terminal, size, open_stdin: spec.open_stdin, input_ends: true };
        let mut session =
            Session::new(key, Some(spec.id), streams).map_err(|errno| system("make the streams", errno))?;
        session.process = Some(Box::new(spec.process));
        self.sessions.insert(key, session);
        self.next_session = (key.wrapping_add(1) & NUMBERS).max(CONTAINER + 1);
        ok()
    }

    fn must_run(&self) -> Result<(), Fault> {
        match self.sessions.get(&CONTAINER) {
            Some(session) if session.is_running() && self.paused => Err(Fault::Paused),
            Some(session) if session.is_running() => Ok(()),
            _ => Err(Fault::NotRunning),
        }
    }

    fn exec_start(&mut self, id: &str, peer: u32, tag: u64) -> Answer {
        self.must_run()?;
        let key = self.find(Some(id))?.key;
        if self.foreign.is_some() {
            return self.exec_foreign(key);
        }
        let made = self.exec_process(key)?;
        self.begin(key, made, peer, tag)
    }

    fn exec_foreign(&mut self, key: SessionKey) -> Answer {
        let session = self.sessions.get_mut(&key).ok_or(Fault::NotRunning)?;
        let stdio: Stdio = session.take_stdio().ok_or(Fault::AlreadyStarted)?;
        let process = session.process.take().ok_or(Fault::AlreadyStarted)?;
        let foreign = self.foreign.as_ref().ok_or(Fault::NotRunning)?;
        let made = foreign.exec(&process, stdio);
        self.begun(key, made)
    }

    fn exec_process(&mut self, key: SessionKey) -> Result<Result<Starting, StartError>, Fault> {
        let session = self.sessions.get_mut(&key).ok_or(Fault::NotRunning)?;
        let stdio: Stdio = session.take_stdio().ok_or(Fault::AlreadyStarted)?;
        let process = session.process.take().ok_or(Fault::AlreadyStarted)?;
        let container = self.sessions.get(&CONTAINER).ok_or(Fault::NotRunning)?;
        let target = container.pidfd.as_ref().ok_or(Fault::NotRunning)?;
        let exec = Exec {
            id: &self.id,
            process: &process,
            target: target.as_fd(),
            pid: container.pid,
            namespaces: self.namespaces,
            cgroup: &self.cgroup,
            filter: self.filter.as_ref(),
            linux: None,
            manner: Manner::default(),
        };
        Ok(runtime::exec(&exec, stdio))
    }

    fn exec_delete(&mut self, id: &str) -> Answer {
        let session = self.find(Some(id))?;
        if session.is_busy() {
            return Err(Fault::Running);
        }
        let key = session.key;
        if let Some(mut session) = self.sessions.remove(&key) {
            session.close_streams(&self.poller);
        }
        ok()
    }

    fn pids(&self) -> Answer {
        let pids = self.cgroup.procs().map_err(of_cgroup("list the processes"))?;
        plain(Reply::Pids { pids: pids.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect() })
    }

    fn pause(&mut self) -> Answer {
        self.must_run()?;
        match &self.foreign {
            Some(foreign) => {
                foreign.ask("pause", &[]).map_err(|text| by_runtime("freeze the container", text))?;
            }
            None => self.cgroup.freeze().map_err(of_cgroup("freeze the container"))?,
        }
        self.paused = true;
        ok()
    }

    fn resume(&mut self) -> Answer {
        if !self.paused {
            return Err(Fault::NotPaused);
        }
        match &self.foreign {
            Some(foreign) => {
                foreign.ask("resume", &[]).map_err(|text| by_runtime("thaw the container", text))?;
            }
            None => self.cgroup.thaw().map_err(of_cgroup("thaw the container"))?,
        }
        self.paused = false;
        ok()
    }

    fn update(&self, resources: &Resources) -> Answer {
        match &self.foreign {
            Some(foreign) => {
                foreign.update(resources).map_err(|text| by_runtime("update the limits", text))?;
            }
            None => self.cgroup.apply(resources).map_err(of_cgroup("update the limits"))?,
        }
        ok()
    }

    fn delete(&mut self) -> Answer {
        if self.sessions.get(&CONTAINER).is_some_and(Session::is_busy) {
            return Err(Fault::Running);
        }
        for session in self.sessions.values_mut() {
            session.close_streams(&self.poller);
        }
        // What a new shim of this container needs free is free before the answer.
        let _ = std::fs::remove_dir_all(&self.run_dir);
        self.leave();
        ok()
    }
}

/// Whether a container's first process is the first of a PID namespace too, so that the others end with it.
fn has_own_pids(spec: &Spec) -> bool {
    let list = spec.linux.as_ref().map(|l| l.namespaces.as_slice()).unwrap_or_default();
    list.iter().any(|n| n.r#type == NamespaceType::Pid && n.path.is_empty())
}
