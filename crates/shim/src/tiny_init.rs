//! `gantry-shim --init`: process 1 of a container that was asked for with `--init`. Runs one program, passes signals on
//! to it, reaps whatever is orphaned, and ends as the program does.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
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
    let mut command = Command::new(program);
    command.args(rest).process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            complain(&format!("exec {} failed: {error}", program.to_string_lossy()));
            return if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        }
    };
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return 1 };
    // The terminal, if there is one, is the program's.
    let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), pid);
    pass_on(&signals, pid)
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
