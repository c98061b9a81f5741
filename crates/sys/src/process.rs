//! Processes: clone3, exec, exit, descriptors. For programs with one thread only.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::check;

/// Flags of [`clone3`] (clone(2)): new namespaces, and who the parent is.
pub mod flags {
    /// New mount namespace.
    pub const NEWNS: u64 = libc::CLONE_NEWNS as u64;
    /// New UTS namespace.
    pub const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
    /// New IPC namespace.
    pub const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;
    /// New user namespace.
    pub const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
    /// New PID namespace.
    pub const NEWPID: u64 = libc::CLONE_NEWPID as u64;
    /// New network namespace.
    pub const NEWNET: u64 = libc::CLONE_NEWNET as u64;
    /// New cgroup namespace.
    pub const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
    /// New time namespace (for children; clone3 puts the child itself in).
    pub const NEWTIME: u64 = 0x80;
    /// The caller's parent becomes the child's parent.
    pub const PARENT: u64 = libc::CLONE_PARENT as u64;
}

/// Which side of a [`clone3`] this is.
#[derive(Debug)]
pub enum Cloned {
    /// The caller.
    Parent {
        /// The child, in the caller's PID namespace.
        pid: i32,
        /// A handle of the child (close-on-exec).
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// Layout of `struct clone_args` (linux/sched.h), up to `cgroup`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// How many threads the calling process has.
///
/// # Errors
/// /proc is not mounted.
pub fn threads() -> Result<u64, Errno> {
    // A directory's link count is 2 plus its sub-directories.
    let stat = rustix::fs::stat("/proc/self/task")?;
    Ok(u64::from(u32::try_from(stat.st_nlink).unwrap_or(u32::MAX)).saturating_sub(2))
}

/// clone3(2) without sharing memory, that is fork(2) with namespaces, a pidfd and a cgroup to be born in (v2 directory).
/// The child runs on a copy of the caller's stack and may do whatever the caller may, because there is no other thread
/// whose locks it could find taken: that is checked, and `Errno::BUSY` is the answer in a process with several.
///
/// `flags` are those of [`flags`]; with [`flags::PARENT`] the child's end is signalled to the caller's parent.
///
/// # Errors
/// clone(2); `Errno::BUSY` see above.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    if threads()? != 1 {
        return Err(Errno::BUSY);
    }
    clone3_of_single_thread(flags, cgroup)
}

/// As [`clone3`], for a process that [`clone3`] or [`fork`] made and that started no thread: does not look at /proc,
/// which may belong to another PID namespace by now.
///
/// # Errors
/// clone(2).
pub fn clone3_of_single_thread(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        // With CLONE_PARENT the kernel insists on 0 and uses the caller's own.
        exit_signal: if flags & flags::PARENT == 0 { libc::SIGCHLD as u64 } else { 0 },
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
    }
    // SAFETY: `args` is a complete clone_args that outlives the call; no memory is shared with the child (no CLONE_VM),
    // no stack is given, so the child goes on here on its own copy. The process has one thread.
    let mut result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) };
    if result == -1
        && cgroup.is_none()
        && std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS)
        && let Ok(flags) = libc::c_ulong::try_from(args.flags | args.exit_signal)
    {
        // Docker's system call filter has clone3 not exist, because it cannot look into its arguments.
        // SAFETY: as above; clone(2) leaves the pidfd where its third argument points (CLONE_PIDFD), and with no stack
        // and no CLONE_SETTLS the others are not read, in whichever order the architecture has them.
        result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    }
    match check(result)? {
        0 => Ok(Cloned::Child),
        pid => Ok(Cloned::Parent {
            pid: i32::try_from(pid).unwrap_or(-1),
            // SAFETY: the kernel has just opened this descriptor for us.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// fork(2) of a process with one thread.
///
/// # Errors
/// As [`clone3`].
pub fn fork() -> Result<Cloned, Errno> {
    clone3(0, None)
}

/// unshare(2) of namespaces, in a process with one thread.
///
/// # Errors
/// unshare(2).
pub fn unshare(flags: u64) -> Result<(), Errno> {
    let flags = libc::c_int::try_from(flags).map_err(|_| Errno::INVAL)?;
    // SAFETY: no pointers; only namespace flags are offered by `flags`, none of which invalidates Rust's descriptors.
    check(unsafe { libc::syscall(libc::SYS_unshare, flags) }).map(|_| ())
}

/// Pointers for execve(2), made ahead so that nothing is left to fail.
#[derive(Debug)]
pub struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    /// Takes strings; a NUL byte in one is `Errno::INVAL`.
    ///
    /// # Errors
    /// See above.
    pub fn new<S: Into<Vec<u8>>>(strings: impl IntoIterator<Item = S>) -> Result<Self, Errno> {
        let owned = strings.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>().map_err(|_| Errno::INVAL)?;
        let pointers = owned.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { owned, pointers })
    }

    /// How many strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owned.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owned.is_empty()
    }
}

/// execve(2). Returns only on failure.
#[must_use]
pub fn execve(path: &CStr, args: &Strings, env: &Strings) -> Errno {
    // SAFETY: all three point at NUL-terminated strings, the arrays end with a null pointer, all outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    check(result).err().unwrap_or(Errno::IO)
}

/// fexecve(3). Returns only on failure.
#[must_use]
pub fn fexecve(fd: BorrowedFd<'_>, args: &Strings, env: &Strings) -> Errno {
    // SAFETY: as in `execve`; the descriptor is open for the time of the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            args.pointers.as_ptr(),
            env.pointers.as_ptr(),
            AtFlags::EMPTY_PATH.bits(),
        )
    };
    check(result).err().unwrap_or(Errno::IO)
}

/// _exit(2): ends the process at once, running no destructors and flushing nothing. For forked children.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: never returns; no state of this process matters after it.
    unsafe { libc::_exit(status) }
}

/// close_range(2): closes all descriptors from `first` on. Descriptors owned by live Rust values must not be among them.
///
/// # Errors
/// close_range(2).
pub fn close_from(first: RawFd) -> Result<(), Errno> {
    close_range(first, 0)
}

/// close_range(2) with `CLOSE_RANGE_CLOEXEC`: all descriptors from `first` on are closed at the next exec.
///
/// # Errors
/// close_range(2).
pub fn cloexec_from(first: RawFd) -> Result<(), Errno> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: RawFd, flags: libc::c_uint) -> Result<(), Errno> {
    let first = libc::c_uint::try_from(first).map_err(|_| Errno::BADF)?;
    // SAFETY: no pointers. Callers close only descriptors that nobody owns (documented above), else they only mark them.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) }).map(|_| ())
}

/// Closes every descriptor from 3 on except `keep`.
///
/// # Errors
/// close_range(2).
pub fn close_all_but(keep: &[RawFd]) -> Result<(), Errno> {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= 3).collect();
    keep.sort_unstable();
    keep.dedup();
    let mut next: RawFd = 3;
    for fd in keep {
        if fd > next {
            let (first, last) = (next as libc::c_uint, (fd - 1) as libc::c_uint);
            // SAFETY: as in `close_range`.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
        next = fd + 1;
    }
    close_from(next)
}

/// Gives free heap memory back to the kernel (malloc_trim(3)).
pub fn trim_heap() {
    // SAFETY: no arguments that could be wrong.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_may_not_clone() {
        // The test harness runs this on a thread of its own.
        assert!(threads().unwrap() >= 2);
        assert_eq!(clone3(0, None).unwrap_err(), Errno::BUSY);
    }

    #[test]
    fn strings_end_with_null_and_refuse_nul() {
        let strings = Strings::new(["a", "b"]).unwrap();
        assert_eq!((strings.len(), strings.pointers.len()), (2, 3));
        assert!(strings.pointers[2].is_null());
        assert_eq!(Strings::new(["a\0b"]).unwrap_err(), Errno::INVAL);
    }
}
