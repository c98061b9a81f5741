//! Signals of a process with one thread: mask, dispositions, signalfd.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use crate::check;

fn full_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the whole set and cannot fail on a valid pointer.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: as in `full_set`.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn set_mask(set: &libc::sigset_t) -> Result<(), Errno> {
    // SAFETY: `set` is initialised; the old mask is not asked for.
    check(i64::from(unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) })).map(|_| ())
}

/// Blocks every signal that can be blocked.
///
/// # Errors
/// sigprocmask(2).
pub fn block_all() -> Result<(), Errno> {
    set_mask(&full_set())
}

/// Blocks nothing.
///
/// # Errors
/// sigprocmask(2).
pub fn unblock_all() -> Result<(), Errno> {
    set_mask(&empty_set())
}

/// Gives every signal its default disposition, as a program expects it after exec. (Rust ignores SIGPIPE.)
pub fn default_all() {
    for signal in 1..=64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: SIG_DFL is a valid disposition; libc refuses its own two real-time signals, which is ignored.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Ignores a signal.
pub fn ignore(signal: i32) {
    // SAFETY: SIG_IGN is a valid disposition.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A descriptor from which blocked signals are read (signalfd(2)).
#[derive(Debug)]
pub struct SignalFd {
    fd: OwnedFd,
}

/// One signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Number.
    pub signal: i32,
    /// Who sent it.
    pub pid: i32,
    /// `si_code`.
    pub code: i32,
}

impl SignalFd {
    /// Receives all signals that are blocked ([`block_all`] first). Close-on-exec, blocking or not.
    ///
    /// # Errors
    /// signalfd(2).
    pub fn all(nonblocking: bool) -> Result<Self, Errno> {
        let flags = libc::SFD_CLOEXEC | if nonblocking { libc::SFD_NONBLOCK } else { 0 };
        let set = full_set();
        // SAFETY: the set is initialised; -1 asks for a new descriptor.
        let fd = check(i64::from(unsafe { libc::signalfd(-1, &raw const set, flags) }))?;
        // SAFETY: the kernel has just opened it for us.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) } })
    }

    /// The next signal.
    ///
    /// # Errors
    /// read(2); `Errno::AGAIN` when there is none.
    pub fn next(&self) -> Result<Received, Errno> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        // SAFETY: the buffer has the size of one record.
        let got = check(unsafe {
            libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size_of::<libc::signalfd_siginfo>())
        } as i64)?;
        if usize::try_from(got) != Ok(size_of::<libc::signalfd_siginfo>()) {
            return Err(Errno::IO);
        }
        // SAFETY: all zeroes is valid for this plain structure, and the kernel has filled it.
        let info = unsafe { info.assume_init() };
        Ok(Received {
            signal: i32::try_from(info.ssi_signo).unwrap_or(0),
            pid: i32::try_from(info.ssi_pid).unwrap_or(0),
            code: info.ssi_code,
        })
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// kill(2) with any number (real-time signals included; 0 only asks). `pid` may be -1 or a negative group.
///
/// # Errors
/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    check(i64::from(unsafe { libc::kill(pid, signal) })).map(|_| ())
}

/// pidfd_send_signal(2) with any number.
///
/// # Errors
/// pidfd_send_signal(2).
pub fn pidfd_kill(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    // SAFETY: the descriptor is open; a null siginfo is allowed.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    check(result).map(|_| ())
}
