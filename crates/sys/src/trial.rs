//! One system call with numbers for arguments, tried in a child process: what a filter or a kernel says to it. For probes.

use std::time::Duration;

use rustix::io::Errno;

use crate::check;

/// By which table a system call is numbered, and how the kernel is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    /// The native one.
    Native,
    /// i386, by `int 0x80` (x86-64 only).
    I386,
    /// x32: the native entry with bit 30 set (x86-64 only).
    X32,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this; -4095 to -1 are errors.
    Returned(i64),
    /// A signal ended the process.
    Signal(i32),
    /// The process ended without a signal.
    Exited(i32),
    /// It did not come back in time.
    Waits,
}

/// Makes a call in a child process and says what became of it. The child is gone afterwards. The calling process has to
/// have one thread.
///
/// # Errors
/// fork(2), pipe(2); `Errno::NOSYS` for a foreign `abi` where there is none.
pub fn call(abi: Abi, number: u32, arguments: [u32; 6], limit: Duration) -> Result<Outcome, Errno> {
    if abi != Abi::Native && !cfg!(target_arch = "x86_64") {
        return Err(Errno::NOSYS);
    }
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: the process has one thread, as the caller promises; the child only makes system calls and ends.
    let pid = check(i64::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        let result = enter(abi, number, arguments);
        let _ = rustix::io::write(&writer, &result.to_ne_bytes());
        // A call that forked returns twice: whoever writes first is heard, both end here.
        loop {
            // SAFETY: ends the process, nothing of it is used afterwards; a filter may refuse one but not both.
            unsafe {
                libc::syscall(libc::SYS_exit_group, 0);
                libc::syscall(libc::SYS_exit, 0);
            }
        }
    }
    drop(writer);
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap_or(0)).ok_or(Errno::SRCH)?;
    let mut poll = [rustix::event::PollFd::new(&reader, rustix::event::PollFlags::IN)];
    let limit = rustix::time::Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
    let ready = rustix::event::poll(&mut poll, Some(&limit))?;
    let mut bytes = [0; 8];
    let heard = ready > 0 && rustix::io::read(&reader, &mut bytes)? == bytes.len();
    if heard || ready == 0 {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let status = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())?.map(|(_, status)| status);
    if heard {
        return Ok(Outcome::Returned(i64::from_ne_bytes(bytes)));
    }
    if ready == 0 {
        return Ok(Outcome::Waits);
    }
    let signal = status.and_then(rustix::process::WaitStatus::terminating_signal);
    Ok(signal.map_or_else(|| Outcome::Exited(status.and_then(|s| s.exit_status()).unwrap_or(0)), Outcome::Signal))
}

/// Makes the call in this process. The result is as the kernel gives it.
fn enter(abi: Abi, number: u32, [a, b, c, d, e, f]: [u32; 6]) -> i64 {
    // As a C program would pass `int` arguments: -1 stays -1 in 64 bits.
    #[expect(clippy::cast_possible_wrap, reason = "the bits are meant")]
    let wide = |x: u32| i64::from(x as i32);
    if abi == Abi::I386 {
        return enter_i386(number, [a, b, c, d, e, f]);
    }
    let number = if abi == Abi::X32 { i64::from(number) | 0x4000_0000 } else { i64::from(number) };
    // SAFETY: no memory of Rust's is lent to the kernel: what a call may write through an integer taken for a pointer
    // is this short-lived child's own, which looks at nothing afterwards but the result.
    let result = unsafe { libc::syscall(number, wide(a), wide(b), wide(c), wide(d), wide(e), wide(f)) };
    if result == -1 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { result }
}

#[cfg(target_arch = "x86_64")]
fn enter_i386(number: u32, [a, b, c, d, e, f]: [u32; 6]) -> i64 {
    let mut result = u64::from(number);
    // SAFETY: see `enter`. The first argument travels in rbx and the sixth in rbp, which the compiler keeps for itself:
    // both are put back before anything else happens. The kernel clears r8 to r11.
    unsafe {
        core::arch::asm!(
            "push rbx",
            "push rbp",
            "mov ebx, r12d",
            "mov ebp, r13d",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            inout("rax") result,
            in("r12") u64::from(a),
            in("rcx") u64::from(b),
            in("rdx") u64::from(c),
            in("rsi") u64::from(d),
            in("rdi") u64::from(e),
            in("r13") u64::from(f),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "32 bits with a sign")]
    let signed = result as u32 as i32;
    i64::from(signed)
}

#[cfg(not(target_arch = "x86_64"))]
fn enter_i386(_: u32, _: [u32; 6]) -> i64 {
    -i64::from(libc::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_and_their_ends() {
        let limit = Duration::from_millis(300);
        let minus = u32::MAX;
        // close(-1), pause, exit_group(3)
        assert_eq!(call(Abi::Native, 3, [minus; 6], limit), Ok(Outcome::Returned(-9)));
        assert_eq!(call(Abi::Native, 34, [0; 6], limit), Ok(Outcome::Waits));
        assert_eq!(call(Abi::Native, 231, [3, 0, 0, 0, 0, 0], limit), Ok(Outcome::Exited(3)));
        // kill(getpid… = 0 is the group, so: rt_sigreturn without a frame
        assert!(matches!(call(Abi::Native, 15, [0; 6], limit), Ok(Outcome::Signal(_))));
    }
}
