//! Signals while attached: passed on to the container, and changes of the window's size.

use std::sync::Arc;
use std::thread;

use client::Client;
use sys::signal::{SignalFd, block_all};

use crate::console;
use crate::failure::Result;

/// What signals and sizes belong to.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    Container(String),
    Exec(String),
}

/// Blocks all signals; from now on they are read by [`watch`]. Must come before any thread is started.
pub(crate) fn catch() -> Result<SignalFd> {
    let fail = |e: rustix::io::Errno| crate::failure::Failure::from(std::io::Error::from(e));
    block_all().map_err(fail)?;
    SignalFd::all(false).map_err(fail)
}

const SIGWINCH: i32 = 28;
const NOT_FORWARDED: [i32; 4] = [13, 17, 23, SIGWINCH];

/// Reads signals on a thread of its own: window changes are told to the engine when `resize`, others are passed on when
/// `forward`, else they end the program as they would have.
pub(crate) fn watch(signals: SignalFd, client: Arc<Client>, subject: Subject, forward: bool, resize: bool) {
    let run = move || {
        let mut interrupts = 0_usize;
        while let Ok(received) = signals.next() {
            let signal = received.signal;
            if signal == SIGWINCH {
                if resize {
                    set_size(&client, &subject);
                }
                continue;
            }
            if !forward {
                if matches!(signal, 1 | 2 | 3 | 15) {
                    die(signal);
                }
                continue;
            }
            if NOT_FORWARDED.contains(&signal) {
                continue;
            }
            interrupts += usize::from(matches!(signal, 2 | 15));
            if interrupts >= 3 {
                give_up();
            }
            if let (Subject::Container(id), Some(name)) = (&subject, units::signal::signal_name(signal)) {
                let _ = client::container::kill(&client, id, &name);
            }
        }
    };
    // Without the thread, signals stay unread: the container still runs to its end.
    let _ = thread::Builder::new().name("signals".to_owned()).spawn(run);
}

/// The way out when a container takes no notice of signals.
#[expect(clippy::exit, reason = "other threads wait for a container that does not end")]
fn give_up() -> ! {
    super::streams::restore_terminal();
    console::err("\ngot 3 SIGTERM/SIGINTs, forcefully exiting");
    std::process::exit(1)
}

/// Ends the program by a signal's default action, the terminal as it was before.
fn die(signal: i32) {
    super::streams::restore_terminal();
    sys::signal::default_all();
    let _ = sys::signal::unblock_all();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let _ = sys::signal::kill(own, signal);
}

/// Tells the engine the size of the terminal on stdout.
pub(crate) fn set_size(client: &Client, subject: &Subject) -> bool {
    let (rows, cols) = console::terminal_size();
    if rows == 0 && cols == 0 {
        return true;
    }
    match subject {
        Subject::Container(id) => client::container::resize(client, id, rows, cols).is_ok(),
        Subject::Exec(id) => client::exec::resize(client, id, rows, cols).is_ok(),
    }
}

/// Tells the size now; tries again in the background while the process is not there yet.
pub(crate) fn set_size_soon(client: &Arc<Client>, subject: &Subject) {
    if set_size(client, subject) {
        return;
    }
    let (client, subject) = (Arc::clone(client), subject.clone());
    let run = move || {
        for attempt in 1..=10 {
            thread::sleep(std::time::Duration::from_millis(attempt * 10));
            if set_size(&client, &subject) {
                return;
            }
        }
        console::err("failed to resize tty, using default size");
    };
    let _ = thread::Builder::new().name("resize".to_owned()).spawn(run);
}
