//! The loop of a shim.
//!
//! ```text
//! Created ──Start──▶ Running ◀──▶ Paused
//!    │                  │ process ends, output drained
//!    └──not started──▶ Exited ──Delete, or nobody there──▶ gone
//! ```

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cgroup::{Hierarchies, Manager, OomWatch};
use runtime::Filter;
use rustix::io::Errno;
use shim_proto::{Conn, Event, ExecExit, ExitRecord, ShimPlan, StartError};
use sys::signal::SignalFd;

use crate::clock::{self, SECOND};
use crate::control::{Incoming, Peers};
use crate::foreign::Foreign;
use crate::log::Log;
use crate::output::Got;
use crate::poller::{Happened, Interest, Poller};
use crate::session::{End, Phase, Session, Streams};
use crate::token::{SessionKey, Token};

/// Key of the container's own session.
pub(crate) const CONTAINER: SessionKey = 0;
/// Bytes read at once.
const BUFFER: usize = 64 * 1024;
/// How long a shim with nothing left to watch waits for a daemon.
const LONELY: i64 = 10 * SECOND;
/// How long output is waited for that other processes keep open after the end of theirs (as containerd's shim).
pub(crate) const GRACE: i64 = 2 * SECOND;
/// How long a daemon that was told of the end may take to commit it (and say so by Delete) before the shim writes the
/// exit record itself.
const COMMIT: i64 = SECOND / 2;
/// How long after the start of a process what that took is given back.
const REST: i64 = SECOND;
/// How long clients may take to read what is left for them after Delete.
const LINGER: i64 = 10 * SECOND;

/// All that a shim knows.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) id: String,
    pub(crate) run_dir: PathBuf,
    pub(crate) exit_file: PathBuf,
    /// Until the start.
    pub(crate) plan: Option<Box<ShimPlan>>,
    pub(crate) poller: Poller,
    pub(crate) signals: SignalFd,
    listener: OwnedFd,
    pub(crate) peers: Peers,
    pub(crate) sessions: BTreeMap<SessionKey, Session>,
    pub(crate) next_session: SessionKey,
    pub(crate) log: Log,
    pub(crate) cgroup: Manager,
    pub(crate) oom: Option<OomWatch>,
    pub(crate) oom_count: u64,
    pub(crate) filter: Option<Filter>,
    /// Another runtime in place of ours.
    pub(crate) foreign: Option<Foreign>,
    /// What exec sessions join.
    pub(crate) namespaces: u64,
    /// Other processes than ours may live in the container's PID namespace after its first process.
    pub(crate) shares_pids: bool,
    pub(crate) paused: bool,
    pub(crate) started_at: i64,
    pub(crate) exit: Option<ExitRecord>,
    /// When the exit record is to be written, if it is to be (monotonic nanoseconds).
    record_due: Option<i64>,
    pub(crate) error: Option<StartError>,
    /// Processes that ended before their start was known.
    pub(crate) early: Vec<(i32, End)>,
    /// Ends of exec sessions that nobody was told yet.
    pub(crate) untold: Vec<ExecExit>,
    /// Since when there is nothing to do and nobody to talk to (monotonic nanoseconds).
    lonely_since: Option<i64>,
    /// When memory is given back (monotonic nanoseconds).
    rest_due: Option<i64>,
    /// Deleted: gone at the latest then.
    leaving: Option<i64>,
    /// For what is read; none at rest.
    buffer: Vec<u8>,
}

/// Why a shim could not come up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetUpError {
    #[error("cgroup: {0}")]
    Cgroup(#[from] cgroup::Error),
    #[error("log: {0}")]
    Log(#[from] logdriver::LogError),
    #[error("{0}")]
    System(#[from] Errno),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Monitor {
    /// Sets everything up; nothing runs yet.
    pub(crate) fn new(plan: ShimPlan, signals: SignalFd) -> Result<Self, SetUpError> {
        let poller = Poller::new()?;
        make_run_dir(&plan.run_dir)?;
        let listener = Conn::listen(&plan.socket())?;
        poller.add(listener.as_fd(), Token::Listener, Interest::READ)?;
        poller.add(signals.as_fd(), Token::Signal, Interest::READ)?;
        let cgroup = Manager::new(&plan.cgroup.path, &Hierarchies::detect()?)?;
        let log = Log::open(&plan.log)?;
        let streams = Streams {
            tty: plan.stdio.tty,
            size: plan.stdio.console_size,
            open_stdin: plan.stdio.open_stdin,
            input_ends: plan.stdio.stdin_once,
        };
        let container = Session::new(CONTAINER, None, streams)?;
        let foreign = plan.runtime.as_ref().map(|runtime| Foreign::new(runtime, &plan.id, &plan.run_dir));
        Ok(Self {
            id: plan.id.clone(),
            run_dir: plan.run_dir.clone(),
            exit_file: plan.exit_file.clone(),
            plan: Some(Box::new(plan)),
            poller,
            signals,
            listener,
            peers: Peers::default(),
            sessions: BTreeMap::from([(CONTAINER, container)]),
            next_session: CONTAINER + 1,
            log,
            cgroup,
            oom: None,
            oom_count: 0,
            filter: None,
            foreign,
            namespaces: 0,
            shares_pids: false,
            paused: false,
            started_at: 0,
            exit: None,
            record_due: None,
            error: None,
            early: Vec::new(),
            untold: Vec::new(),
            lonely_since: None,
            rest_due: None,
            leaving: None,
            buffer: Vec::new(),
        })
    }

    /// Runs until there is nothing left to do.
    pub(crate) fn run(mut self, first: Conn) {
        self.peers.add(first, &self.poller);
        let mut events = Vec::new();
        while !self.is_over() {
            let timeout = self.timeout();
            if self.poller.wait(timeout, &mut events).is_err() {
                break;
            }
            for event in events.drain(..) {
                self.handle(event);
            }
            self.on_time();
        }
        let _ = std::fs::remove_dir_all(&self.run_dir);
        self.peers.close();
    }

    fn handle(&mut self, event: Happened) {
        match event.token {
            Token::Signal => self.reap(),
            Token::Listener => {
                while let Ok(Some(conn)) = Conn::accept(self.listener.as_fd()) {
                    self.peers.add(conn, &self.poller);
                }
            }
            Token::Oom => self.out_of_memory(),
            Token::Conn(number) => {
                if event.writable {
                    self.peers.flush(number, &self.poller);
                }
                self.requests(number);
            }
            Token::Start(key) => self.advance(key),
            Token::Output(key, stream) => self.output(key, stream),
            Token::Stdin(key) => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.input.flush(&self.poller, event.token);
                    session.watch(&self.poller);
                }
            }
            Token::Client(key, number) => {
                self.need_buffer();
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.client(number, event.readable, event.hung_up, &mut self.buffer, &self.poller);
                }
                self.forget_finished();
            }
        }
    }

    fn requests(&mut self, number: u32) {
        loop {
            match self.peers.receive(number, &self.poller) {
                Incoming::Request(request) => self.request(number, request),
                Incoming::Malformed(detail) => self.malformed(number, detail),
                Incoming::Nothing => break,
            }
        }
    }

    /// Reads an output once: the loop comes back while there is more.
    fn output(&mut self, key: SessionKey, stream: u8) {
        self.pump(key, stream);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.watch(&self.poller);
        }
        self.settle(key);
    }

    fn pump(&mut self, key: SessionKey, stream: u8) -> Got {
        self.need_buffer();
        let Some(session) = self.sessions.get_mut(&key) else { return Got::Nothing };
        let log = &mut self.log;
        let is_container = session.exec.is_none();
        let got = session.pump(stream, &mut self.buffer, &self.poller, |data| {
            if is_container {
                log.write(stream, data);
            }
        });
        if got == Got::End
            && let Some(output) = session.outputs.get_mut(usize::from(stream))
            && output.is_open()
        {
            output.close(&self.poller);
            if is_container {
                log.finish(stream);
            }
        }
        if log.take_rotated() {
            self.peers.event(&Event::LogRotated, &self.poller);
        }
        got
    }

    /// Reads what is left in the outputs of an ended process.
    pub(crate) fn drain(&mut self, key: SessionKey) {
        for stream in 0..2 {
            while let Got::Data(_) = self.pump(key, stream) {}
        }
    }

    fn out_of_memory(&mut self) {
        let Some(oom) = &self.oom else { return };
        if oom.drain().is_err() {
            self.oom = None;
            return;
        }
        self.count_kills();
    }

    /// Tells of kills that nobody was told yet.
    pub(crate) fn count_kills(&mut self) {
        let count = self.cgroup.oom_count().unwrap_or(self.oom_count);
        if count > self.oom_count {
            self.oom_count = count;
            self.peers.event(&Event::Oom, &self.poller);
        }
    }

    /// Whether the container's life is over (or never began, and nobody can begin it).
    fn is_idle(&self) -> bool {
        let at_rest = |s: &Session| matches!(s.phase, Phase::Created(_) | Phase::Reported);
        self.sessions.get(&CONTAINER).is_none_or(at_rest) && self.peers.is_empty()
    }

    fn is_over(&self) -> bool {
        let now = clock::monotonic();
        if let Some(latest) = self.leaving {
            return now >= latest || !self.sessions.values().any(Session::has_clients);
        }
        self.lonely_since.is_some_and(|since| now >= since + LONELY)
    }

    /// Nanoseconds until something is due.
    fn timeout(&self) -> Option<i64> {
        let sessions = self.sessions.values().filter_map(|s| s.give_up);
        let lonely = self.lonely_since.map(|since| since + LONELY);
        let next = sessions.chain(self.leaving).chain(lonely).chain(self.record_due).chain(self.rest_due).min()?;
        Some((next - clock::monotonic()).max(0))
    }

    fn on_time(&mut self) {
        let now = clock::monotonic();
        let due: Vec<SessionKey> =
            self.sessions.values().filter(|s| s.give_up.is_some_and(|t| now >= t)).map(|s| s.key).collect();
        for key in due {
            self.give_up_output(key);
        }
        if self.record_due.is_some_and(|due| now >= due || !self.peers.has_listener()) {
            self.write_record();
        }
        if self.rest_due.is_some_and(|due| now >= due) {
            self.rest_due = None;
            self.rest();
        }
        if !self.is_idle() {
            self.lonely_since = None;
        } else if self.lonely_since.is_none() {
            self.lonely_since = Some(now);
        }
    }

    /// A process has started, or has not: the plan is gone, and what parsing it took. Not given back at once, because
    /// whoever waits for the start, and many a container's end, comes first.
    pub(crate) fn rest_soon(&mut self) {
        self.rest_due = Some(clock::monotonic() + REST);
    }

    fn rest(&mut self) {
        self.buffer = Vec::new();
        sys::memory::rest();
    }

    /// Makes the buffer, if it is not there, for about as long as there is something to read.
    fn need_buffer(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
            self.rest_due = self.rest_due.or_else(|| Some(clock::monotonic() + REST));
        }
    }

    /// Notes how the container ended. A daemon that was told commits it, as durably as a file is, and says so by Delete;
    /// the file is written when there is none, or when it takes its time.
    pub(crate) fn record(&mut self, record: ExitRecord) {
        self.exit = Some(record);
        self.record_due = Some(clock::monotonic() + COMMIT);
        if !self.peers.has_listener() {
            self.write_record();
        }
    }

    fn write_record(&mut self) {
        self.record_due = None;
        if let Some(record) = &self.exit {
            let _ = record.write(&self.exit_file);
        }
    }

    /// Leaves as soon as the clients have what is theirs. The daemon knows all there is to know.
    pub(crate) fn leave(&mut self) {
        self.record_due = None;
        self.leaving = Some(clock::monotonic() + LINGER);
    }
}

fn make_run_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
