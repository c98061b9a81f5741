//! One process with its streams: the container's first process, or an exec session.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};

use oci::runtime::Process;
use runtime::{Starting, Stdio};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{Winsize, tcsetwinsize};
use shim_proto::{AttachSpec, Size};

use crate::client::Client;
use crate::output::{Got, Output};
use crate::poller::Poller;
use crate::stdin::Input;
use crate::token::{SessionKey, Token};

/// Where a process is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Nothing runs yet. The child's ends of the streams wait here.
    Created(Option<Stdio>),
    /// On its way; who asked is to be told.
    Starting(Box<Starting>),
    /// Runs.
    Running,
    /// Has ended; its output may not have.
    Ended,
    /// Has ended, has been reported.
    Reported,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// 0–255, 128 + n for signal n.
    pub(crate) status: i32,
    pub(crate) signal: Option<i32>,
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
}

/// How a session's streams are to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    pub(crate) tty: bool,
    pub(crate) size: Option<Size>,
    pub(crate) open_stdin: bool,
    /// The end of a client's input is the end of the process'.
    pub(crate) input_ends: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) key: SessionKey,
    /// `None` for the container.
    pub(crate) exec: Option<String>,
    /// What an exec session runs.
    pub(crate) process: Option<Box<Process>>,
    pub(crate) phase: Phase,
    /// Connection and tag of the request that started it.
    pub(crate) asked_by: Option<(u32, u64)>,
    streams: Streams,
    master: Option<OwnedFd>,
    pub(crate) input: Input,
    pub(crate) outputs: [Output; 2],
    clients: BTreeMap<u32, Client>,
    next_client: u32,
    pub(crate) pid: i32,
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) end: Option<End>,
    /// When outputs that are still open after the end are given up (monotonic nanoseconds).
    pub(crate) give_up: Option<i64>,
}

impl Session {
    /// Makes the streams, so that clients can attach before anything runs.
    pub(crate) fn new(key: SessionKey, exec: Option<String>, streams: Streams) -> Result<Self, Errno> {
        let mut session = Self {
            key,
            exec,
            process: None,
            phase: Phase::Created(None),
            asked_by: None,
            streams,
            master: None,
            input: Input::default(),
            outputs: [Output::default(), Output::default()],
            clients: BTreeMap::new(),
            next_client: 0,
            pid: 0,
            pidfd: None,
            end: None,
            give_up: None,
        };
        if !streams.tty {
            let stdio = session.pipes()?;
            session.phase = Phase::Created(Some(stdio));
        }
        Ok(session)
    }

    fn pipes(&mut self) -> Result<Stdio, Errno> {
        let stdin = if self.streams.open_stdin {
            let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
            set_nonblocking(&ours)?;
            self.input.open(ours);
            theirs
        } else {
            rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?
        };
        let (ours, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        set_nonblocking(&ours)?;
        self.outputs[0].open(ours);
        let (ours, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        set_nonblocking(&ours)?;
        self.outputs[1].open(ours);
        Ok(Stdio::Streams { stdin, stdout, stderr })
    }

    /// Whether there is a terminal.
    pub(crate) fn tty(&self) -> bool {
        self.streams.tty
    }

    /// The child's streams, once. `None` when it was started already.
    pub(crate) fn take_stdio(&mut self) -> Option<Stdio> {
        match &mut self.phase {
            Phase::Created(stdio) => match stdio.take() {
                None if self.streams.tty => Some(Stdio::Terminal { size: self.streams.size }),
                streams => streams,
            },
            _ => None,
        }
    }

    /// Takes the process that runs now.
    pub(crate) fn started(&mut self, started: runtime::Started, poller: &Poller) -> Result<(), Errno> {
        self.pid = started.pid;
        self.pidfd = Some(started.pidfd);
        self.phase = Phase::Running;
        self.process = None;
        if let Some(master) = started.console {
            let again = || master.try_clone().map_err(|_| Errno::MFILE);
            set_nonblocking(&master)?;
            if self.streams.open_stdin {
                self.input.open(again()?);
            }
            self.outputs[0].open(again()?);
            self.master = Some(master);
            // It may have been changed between the request and now.
            if let Some(size) = self.streams.size {
                let _ = self.resize(size);
            }
        }
        self.watch(poller);
        Ok(())
    }

    /// The process could not be started: its streams are of no use.
    pub(crate) fn failed(&mut self, poller: &Poller) {
        self.phase = Phase::Reported;
        self.close_streams(poller);
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether it is on its way, runs, or has not been reported.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Starting(_) | Phase::Running | Phase::Ended)
    }

    /// Changes the size of the terminal, or the size it will have.
    pub(crate) fn resize(&mut self, size: Size) -> Result<(), Errno> {
        self.streams.size = Some(size);
        match &self.master {
            Some(master) => {
                let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
                tcsetwinsize(master, size)
            }
            None => Ok(()),
        }
    }

    /// Adds a client and gives its end.
    pub(crate) fn attach(&mut self, spec: &AttachSpec, poller: &Poller) -> Result<OwnedFd, Errno> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_nonblocking(&ours)?;
        let number = self.next_client;
        self.next_client = number.wrapping_add(1);
        // A terminal has one output, whichever was asked for.
        let wants = if self.streams.tty { [spec.stdout || spec.stderr, false] } else { [spec.stdout, spec.stderr] };
        let stdin = spec.stdin && self.streams.open_stdin && !self.input.is_over();
        let mut client = Client::new(ours, stdin, wants, poller, Token::Client(self.key, number))?;
        if matches!(self.phase, Phase::Reported) {
            client.finish();
        }
        self.clients.insert(number, client);
        self.sweep_clients(poller);
        self.watch(poller);
        Ok(theirs)
    }

    /// Lets go of clients. They are taken out of the epoll set by hand: a child on its way may still hold a copy of the
    /// socket.
    fn retain_clients(&mut self, poller: &Poller, mut keep: impl FnMut(&mut Client) -> bool) {
        self.clients.retain(|_, client| {
            let keep = keep(client);
            if !keep {
                client.unwatch(poller);
            }
            keep
        });
    }

    fn sweep_clients(&mut self, poller: &Poller) {
        self.retain_clients(poller, |client| !client.is_done());
    }

    /// Something happened to a client.
    pub(crate) fn client(&mut self, number: u32, readable: bool, hung_up: bool, buffer: &mut [u8], poller: &Poller) {
        let stdin = Token::Stdin(self.key);
        let ends = self.streams.input_ends && !self.streams.tty;
        let Some(client) = self.clients.get_mut(&number) else { return };
        let had_stdin = client.stdin;
        let mut gone = client.flush().is_err();
        if !gone && readable && client.stdin && self.input.has_room() {
            match client.read(buffer) {
                Ok(Some(0)) => {
                    client.stdin = false;
                    // Docker lets go of a client whose input ends, unless that ends the process' input.
                    gone = !ends;
                }
                Ok(Some(count)) => self.input.write(buffer.get(..count).unwrap_or_default(), poller, stdin),
                Ok(None) => gone = hung_up,
                Err(_) => gone = true,
            }
        } else if hung_up && client.stdin && !self.input.is_over() {
            client.park(poller);
        } else if hung_up {
            gone = true;
        }
        let stdin_over = had_stdin && (gone || !client.stdin);
        if gone && let Some(client) = self.clients.remove(&number) {
            client.unwatch(poller);
        }
        if stdin_over && ends {
            self.input.end(poller, stdin);
        }
        self.sweep_clients(poller);
        self.watch(poller);
    }

    /// Reads an output once and hands the bytes to `log` and the clients.
    pub(crate) fn pump(&mut self, stream: u8, buffer: &mut [u8], poller: &Poller, log: impl FnOnce(&[u8])) -> Got {
        let Some(output) = self.outputs.get(usize::from(stream)) else { return Got::End };
        let got = output.read(buffer);
        if let Got::Data(count) = got {
            let data = buffer.get(..count).unwrap_or_default();
            log(data);
            let tty = self.streams.tty;
            self.retain_clients(poller, |client| client.send(stream, tty, data).is_ok());
        }
        got
    }

    /// Watches what is of interest now. While a client is full nothing is read from a running process.
    pub(crate) fn watch(&mut self, poller: &Poller) {
        let read = self.end.is_some() || !self.clients.values().any(Client::is_full);
        let started = !matches!(self.phase, Phase::Created(_) | Phase::Starting(_));
        for (number, output) in (0_u8..).zip(self.outputs.iter_mut()) {
            output.watch(read && started, poller, Token::Output(self.key, number));
        }
        let room = self.input.has_room();
        for (number, client) in &mut self.clients {
            client.watch(room, poller, Token::Client(self.key, *number));
        }
    }

    /// Whether an output is still open.
    pub(crate) fn has_output(&self) -> bool {
        self.outputs.iter().any(Output::is_open)
    }

    /// Whether a client is there, which may wait for bytes.
    pub(crate) fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Closes all streams; clients get what is pending for them, then the end.
    pub(crate) fn close_streams(&mut self, poller: &Poller) {
        self.input.close(poller);
        for output in &mut self.outputs {
            output.close(poller);
        }
        self.master = None;
        if let Phase::Created(stdio) = &mut self.phase {
            *stdio = None;
        }
        self.clients.values_mut().for_each(Client::finish);
        self.sweep_clients(poller);
        self.watch(poller);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Errno> {
        match &self.pidfd {
            Some(pidfd) if self.is_running() => sys::signal::pidfd_kill(pidfd.as_fd(), signal),
            _ => Err(Errno::SRCH),
        }
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    rustix::io::ioctl_fionbio(fd, true)
}
