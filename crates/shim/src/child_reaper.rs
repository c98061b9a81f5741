//! Processes that end.

use rustix::process::{WaitOptions, WaitStatus, wait};
use shim_proto::{Event, ExecExit, ExitRecord};

use crate::clock;
use crate::monitor::{CONTAINER, GRACE, Monitor};
use crate::session::{End, Phase, Session};
use crate::token::SessionKey;

impl Monitor {
    /// A signal has come: children may have ended.
    pub(crate) fn reap(&mut self) {
        while self.signals.next().is_ok() {}
        // News of starting processes first: one that ended right after its start must be known to have started.
        let starting: Vec<SessionKey> =
            self.sessions.values().filter(|s| matches!(s.phase, Phase::Starting(_))).map(|s| s.key).collect();
        for key in starting {
            self.advance(key);
        }
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            let end = end_of(status);
            match self.sessions.values_mut().find(|s| s.pid == pid && s.is_running()) {
                Some(session) => {
                    session.phase = Phase::Ended;
                    session.end = Some(end);
                    let key = session.key;
                    self.ended(key);
                }
                // A helper, a hook, an orphan of the container's; or a process that ends before its start is known.
                None => self.remember(pid, end),
            }
        }
    }

    fn remember(&mut self, pid: i32, end: End) {
        if self.sessions.values().any(|s| matches!(s.phase, Phase::Starting(_))) {
            self.early.push((pid, end));
        }
    }

    /// A process is known to have started now: it may have ended already.
    pub(crate) fn apply_early(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let running = session.is_running();
        let end = self.early.iter().find(|(pid, _)| *pid == session.pid && running).map(|(_, end)| *end);
        if let Some(end) = end {
            session.phase = Phase::Ended;
            session.end = Some(end);
            self.ended(key);
        }
        if !self.sessions.values().any(|s| matches!(s.phase, Phase::Starting(_))) {
            self.early.clear();
        }
    }

    /// A process has ended: what it wrote is still to be read.
    fn ended(&mut self, key: SessionKey) {
        if key == CONTAINER {
            self.count_kills();
            if self.shares_pids {
                let _ = self.cgroup.kill();
            }
        }
        self.drain(key);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.input.close(&self.poller);
            session.give_up = Some(clock::monotonic() + GRACE);
            session.watch(&self.poller);
        }
        self.settle(key);
    }

    /// Somebody else keeps the output open: it is given up.
    pub(crate) fn give_up_output(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(&key) {
            for output in &mut session.outputs {
                output.close(&self.poller);
            }
            session.give_up = None;
        }
        if key == CONTAINER {
            self.log.finish(0);
            self.log.finish(1);
        }
        self.settle(key);
    }

    /// Reports a session whose process and output have ended.
    pub(crate) fn settle(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if !matches!(session.phase, Phase::Ended) || session.has_output() {
            return;
        }
        let Some(end) = session.end else { return };
        session.phase = Phase::Reported;
        session.give_up = None;
        session.close_streams(&self.poller);
        let pid = session.pid;
        match session.exec.clone() {
            Some(id) => self.exec_ended(ExecExit { id, pid, status: end.status, exited_at: end.at }),
            None => self.container_ended(pid, end),
        }
        self.forget_finished();
    }

    fn exec_ended(&mut self, exit: ExecExit) {
        if self.peers.has_listener() {
            self.peers.event(&Event::ExecExit(exit), &self.poller);
        } else {
            self.untold.push(exit);
        }
    }

    fn container_ended(&mut self, pid: i32, end: End) {
        let record = ExitRecord {
            id: self.id.clone(),
            status: end.status,
            signal: end.signal,
            oom_killed: self.oom_count > 0,
            pid,
            started_at: self.started_at,
            exited_at: end.at,
        };
        self.paused = false;
        self.oom = None;
        self.peers.event(&Event::Exit(record.clone()), &self.poller);
        self.record(record);
        if let Some(foreign) = &self.foreign {
            foreign.delete();
        }
        let _ = self.cgroup.kill();
        let _ = self.cgroup.delete();
    }

    /// Forgets exec sessions that nobody can ask for any more.
    pub(crate) fn forget_finished(&mut self) {
        self.sessions.retain(|_, s| s.exec.is_none() || !matches!(s.phase, Phase::Reported) || Session::has_clients(s));
    }
}

fn end_of(status: WaitStatus) -> End {
    let at = clock::now();
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => End { status, signal: None, at },
        (None, Some(signal)) => End { status: 128 + signal, signal: Some(signal), at },
        // Neither: stopped and continued processes are not waited for.
        (None, None) => End { status: 255, signal: None, at },
    }
}
