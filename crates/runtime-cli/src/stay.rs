//! Waiting for a process in the foreground: signals go to it, its status is ours.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, wait};
use sys::signal::SignalFd;

use crate::error::{Result, call};
use crate::signals;
use crate::terminal::{Raw, Relay, resize};

/// Signals that came since, for the process that is waited for.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// From now on signals are kept rather than obeyed. To be called before the process is made; it unblocks them for itself.
    pub(crate) fn keep() -> Result<Self> {
        sys::signal::block_all().map_err(call("sigprocmask"))?;
        Ok(Self { fd: SignalFd::all(true).map_err(call("signalfd"))? })
    }
}

/// Orphans of the process' become ours, so that they are waited for.
pub(crate) fn adopt() -> Result<()> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).map_err(call("prctl(PR_SET_CHILD_SUBREAPER)"))
}

/// Waits until the process has ended; gives its status, 128 + n for signal n.
pub(crate) fn until_end(pid: i32, pidfd: &OwnedFd, console: Option<OwnedFd>, signals: &Signals) -> Result<i32> {
    let raw = console.is_some().then(Raw::enter);
    let mut relay = console.map(Relay::new);
    let mut end = None;
    while end.is_none() {
        let stdin = rustix::stdio::stdin();
        let mut fds = vec![PollFd::new(&signals.fd, PollFlags::IN)];
        if let Some(relay) = &relay {
            fds.push(PollFd::from_borrowed_fd(relay.master(), PollFlags::IN));
            if relay.input {
                fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
        }
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map(drop).map_err(call("poll"))?,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let is_ready = |number: usize| ready.get(number).copied().unwrap_or(false);
        if is_ready(1) && relay.as_ref().is_some_and(|relay| !relay.output()) {
            relay = None;
        }
        if is_ready(2)
            && let Some(relay) = &mut relay
        {
            relay.input();
        }
        if is_ready(0) {
            end = forward(pid, pidfd, relay.as_ref(), signals)?;
        }
    }
    // What it wrote last.
    while relay.as_ref().is_some_and(has_output) && relay.as_ref().is_some_and(Relay::output) {}
    drop(raw);
    Ok(end.unwrap_or(255))
}

fn has_output(relay: &Relay) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(relay.master(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds.iter().any(|fd| fd.revents().contains(PollFlags::IN))
}

/// Hands signals on; gives the status when the process is among the children that have ended.
fn forward(pid: i32, pidfd: &OwnedFd, relay: Option<&Relay>, signals: &Signals) -> Result<Option<i32>> {
    let mut end = None;
    while let Ok(received) = signals.fd.next() {
        match received.signal {
            signals::CHLD => end = end.or(reap(pid)),
            // Go's runtime sends it to itself; nobody means it.
            signals::URG => {}
            signals::WINCH => {
                if let Some(relay) = relay {
                    resize(relay.master());
                }
            }
            signal => drop(sys::signal::pidfd_kill(pidfd.as_fd(), signal)),
        }
    }
    Ok(end)
}

/// Reaps children; gives the status of one of them.
fn reap(pid: i32) -> Option<i32> {
    let mut end = None;
    while let Ok(Some((child, status))) = wait(WaitOptions::NOHANG) {
        if child.as_raw_nonzero().get() == pid {
            end = Some(match (status.exit_status(), status.terminating_signal()) {
                (Some(status), _) => status,
                (None, Some(signal)) => 128 + signal,
                (None, None) => 255,
            });
        }
    }
    end
}
