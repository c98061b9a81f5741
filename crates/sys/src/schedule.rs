//! Scheduling, I/O priority, memory policy, execution domain of the calling process.

use rustix::io::Errno;

use crate::check;

/// `struct sched_attr` (sched_setattr(2)).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedAttr {
    /// Set by [`sched_setattr`].
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// sched_setattr(2) of the caller.
///
/// # Errors
/// sched_setattr(2).
pub fn sched_setattr(attributes: &SchedAttr) -> Result<(), Errno> {
    let attributes = SchedAttr { size: u32::try_from(size_of::<SchedAttr>()).unwrap_or(0), ..*attributes };
    // SAFETY: the structure is complete and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) }).map(|_| ())
}

/// ioprio_set(2) of the caller: class (0 none, 1 real time, 2 best effort, 3 idle) and level 0–7.
///
/// # Errors
/// ioprio_set(2).
pub fn ioprio_set(class: i32, level: i32) -> Result<(), Errno> {
    const WHO_PROCESS: libc::c_int = 1;
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, (class << 13) | level) }).map(|_| ())
}

/// personality(2).
///
/// # Errors
/// personality(2).
pub fn personality(persona: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_personality, libc::c_ulong::from(persona)) }).map(|_| ())
}

/// set_mempolicy(2) with the nodes of a bit mask.
///
/// # Errors
/// set_mempolicy(2).
pub fn set_mempolicy(mode: i32, nodes: &[u64]) -> Result<(), Errno> {
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    // SAFETY: the kernel reads `bits - 1` bits from a slice that long.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes.as_ptr(), bits) }).map(|_| ())
}
