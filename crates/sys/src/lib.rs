//! System calls and their numbers: the only crate with `unsafe`.

#![allow(unsafe_code)]

pub mod bpf;
pub mod ext4;
pub mod inherited;
pub mod memory;
pub mod mount;
pub mod netns;
pub mod notify;
pub mod process;
pub mod schedule;
pub mod security;
pub mod signal;
pub mod socket;
pub mod trial;
pub mod writeback;

/// The result of a raw system call: -1 means errno.
pub(crate) fn check(result: i64) -> Result<i64, rustix::io::Errno> {
    if result == -1 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        return Err(rustix::io::Errno::from_raw_os_error(errno));
    }
    Ok(result)
}
