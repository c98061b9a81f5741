//! Seccomp filters and session keyrings.

use std::ffi::CStr;
use std::os::fd::{FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use crate::check;

/// `SECCOMP_FILTER_FLAG_*` (linux/seccomp.h).
pub mod filter_flag {
    /// All threads.
    pub const TSYNC: u32 = 1;
    /// Log actions.
    pub const LOG: u32 = 2;
    /// No speculation mitigation.
    pub const SPEC_ALLOW: u32 = 4;
    /// A listener descriptor comes back.
    pub const NEW_LISTENER: u32 = 8;
    /// Waiting calls are interrupted by fatal signals only.
    pub const WAIT_KILLABLE_RECV: u32 = 32;
}

/// Loads a seccomp filter: classic BPF, 8 bytes an instruction, as the kernel takes it (`struct sock_filter`). With
/// [`filter_flag::NEW_LISTENER`] the listener comes back. Needs `no_new_privs` or CAP_SYS_ADMIN.
///
/// # Errors
/// seccomp(2); `Errno::INVAL` also when the length is no multiple of 8 or too large.
pub fn load_filter(program: &[u8], flags: u32) -> Result<Option<OwnedFd>, Errno> {
    if !program.len().is_multiple_of(size_of::<libc::sock_filter>()) {
        return Err(Errno::INVAL);
    }
    // The bytes may lie anywhere, the kernel copies them: no alignment is needed.
    let program = libc::sock_fprog {
        len: u16::try_from(program.len() / size_of::<libc::sock_filter>()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies `len` instructions from `filter`, which is that long; both outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let result = check(result)?;
    if flags & filter_flag::NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: the kernel has just opened the listener for us.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(i32::try_from(result).unwrap_or(-1)) }))
}

/// Joins (making it if needed) the session keyring of this name: keyctl(KEYCTL_JOIN_SESSION_KEYRING).
///
/// # Errors
/// keyctl(2); `Errno::NOSYS` when the kernel has no keys.
pub fn join_session_keyring(name: &CStr) -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is NUL-terminated and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) }).map(|_| ())
}
