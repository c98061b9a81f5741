//! The ext4 ioctl that simulates a power loss (`EXT4_IOC_SHUTDOWN`, fs/ext4/ioctl.c), for tests of durability.

use rustix::io;
use rustix::ioctl::{Setter, ioctl, opcode};
use std::os::fd::AsFd;

/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing that is not on the disk yet gets there.
const NO_LOG_FLUSH: u32 = 2;

/// Cuts the file system off from its disk at once: what was not synced is lost, every later access gives EIO
/// until it is unmounted and mounted again. `file` is any open file or directory of it; needs `CAP_SYS_ADMIN`.
pub fn shutdown(file: impl AsFd) -> io::Result<()> {
    // SAFETY: the opcode is _IOR('X', 125, __u32) and the kernel reads one u32 from the pointer that Setter gives it.
    unsafe { ioctl(file, Setter::<{ opcode::read::<u32>(b'X', 125) }, u32>::new(NO_LOG_FLUSH)) }
}
