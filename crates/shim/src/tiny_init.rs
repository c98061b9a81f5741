//! `gantry-shim --init`: process 1 of a container that was asked for with `--init`. Runs one program, passes signals on
//! to it, reaps whatever is orphaned, and ends as the program does.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use sys::process::Cloned;
use sys::signal::SignalFd;

const SIGCHLD: i32 = 17;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;
/// Faults of ours are no signals for the program.
const FAULTS: [i32; 6] = [4, 5, 6, 7, 8, 11];

/// Runs `args` (program first) and gives the exit status for this process: the program's, or 128 plus its signal.
#[must_use]
pub fn run(args: &[OsString]) -> i32 {
    let args = match args.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => args,
    };
    let Some((program, rest)) = args.split_first() else {
        complain("no program to run");
        return 1;
    };
    if sys::signal::block_all().is_err() {
        return 1;
    }
    let Ok(signals) = SignalFd::all(false) else { return 1 };
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    // Being in the background of the terminal must not stop us.
    sys::signal::ignore(SIGTTIN);
    sys::signal::ignore(SIGTTOU);
    let pid = match sys::process::clone3_of_single_thread(0, None) {
        Ok(Cloned::Parent { pid, .. }) => pid,
        Ok(Cloned::Child) => become_program(program, rest),
        Err(errno) => {
            complain(&format!("fork failed: {errno}"));
            return 1;
        }
    };
    let Some(pid) = Pid::from_raw(pid) else { return 1 };
    pass_on(&signals, pid)
}

/// The child's way: a process group of its own, the terminal if there is one, no signal blocked or ignored.
fn become_program(program: &OsStr, args: &[OsString]) -> ! {
    let own = rustix::process::getpid();
    let _ = rustix::process::setpgid(None, None);
    let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), own);
    sys::signal::default_all();
    let _ = sys::signal::unblock_all();
    let error = Command::new(program).args(args).exec();
    complain(&format!("exec {} failed: {error}", program.to_string_lossy()));
    sys::process::exit_now(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}

fn pass_on(signals: &SignalFd, child: Pid) -> i32 {
    loop {
        match signals.next() {
            Ok(received) if received.signal == SIGCHLD => {
                if let Some(status) = reap(child) {
                    return status;
                }
            }
            Ok(received) if FAULTS.contains(&received.signal) => {}
            Ok(received) => {
                let _ = sys::signal::kill(child.as_raw_nonzero().get(), received.signal);
            }
            Err(Errno::INTR) => {}
            Err(_) => return 1,
        }
    }
}

/// Reaps everything that has ended; the exit status when the program is among it.
fn reap(child: Pid) -> Option<i32> {
    let mut result = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            result = Some(exit_status(status));
        }
    }
    result
}

fn exit_status(status: WaitStatus) -> i32 {
    let status = std::process::ExitStatus::from_raw(status.as_raw());
    status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1)
}

fn complain(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), format!("[gantry init] {text}\n").as_bytes());
}
