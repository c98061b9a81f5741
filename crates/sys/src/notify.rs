//! Answering system calls of other processes: the agent's side of a filter that asks (seccomp_unotify(2)).

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::io::Errno;

use crate::check;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Question {
    /// Number of the question.
    pub id: u64,
    /// Who asks, in the namespace of whoever receives.
    pub pid: u32,
    /// None are defined.
    pub flags: u32,
    /// Number of the system call.
    pub call: i32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where it was made.
    pub instruction: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Number of an ioctl that reads and writes (`_IOWR('!', …)`).
const fn request(number: u64, size: usize) -> u64 {
    3 << 30 | (size as u64) << 16 | (b'!' as u64) << 8 | number
}

fn call<T>(listener: BorrowedFd<'_>, number: u64, data: &mut T) -> Result<(), Errno> {
    let request = request(number, size_of::<T>());
    // SAFETY: the size in the request is that of the structure, which outlives the call; the kernel fills or reads it.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request as _, std::ptr::from_mut(data)) };
    check(i64::from(result)).map(|_| ())
}

/// Waits for the next question.
///
/// # Errors
/// ioctl(2); `Errno::NOENT` when who asked is gone.
pub fn receive(listener: BorrowedFd<'_>) -> Result<Question, Errno> {
    let mut question = Question::default();
    call(listener, 0, &mut question)?;
    Ok(question)
}

/// Has the call fail with `errno`, or go on as if nobody had been asked.
///
/// # Errors
/// ioctl(2); `Errno::NOENT` when who asked is gone.
pub fn answer(listener: BorrowedFd<'_>, id: u64, errno: Option<Errno>) -> Result<(), Errno> {
    const CONTINUE: u32 = 1;
    let flags = if errno.is_none() { CONTINUE } else { 0 };
    let mut answer = Answer { id, error: -errno.map_or(0, Errno::raw_os_error), flags, ..Answer::default() };
    call(listener, 1, &mut answer)
}
