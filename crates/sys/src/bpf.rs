//! bpf(2) for device control of cgroup v2.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 2;
/// Most programs that a query reports; the kernel allows 64 on one cgroup.
const MAX_PROGRAMS: usize = 64;

/// The start of `union bpf_attr`, as words; unused fields are zero (include/uapi/linux/bpf.h).
type Attr = [u64; 16];

fn bpf(command: libc::c_int, attr: &mut Attr) -> Result<libc::c_long, Errno> {
    // SAFETY: `attr` is valid for its whole size; pointers in it point to buffers that the callers keep alive.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of::<Attr>()) };
    if result < 0 {
        return Err(Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)));
    }
    Ok(result)
}

fn pair(low: u32, high: u32) -> u64 {
    if cfg!(target_endian = "little") {
        u64::from(high) << 32 | u64::from(low)
    } else {
        u64::from(low) << 32 | u64::from(high)
    }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(result).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program.
///
/// # Errors
/// errno of bpf(2); `EINVAL` or `EACCES` when the verifier refuses it.
pub fn load_device_program(instructions: &[[u8; 8]]) -> Result<OwnedFd, Errno> {
    let license = c"Apache";
    let count = u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?;
    let mut attr: Attr = [0; 16];
    attr[0] = pair(TYPE_CGROUP_DEVICE, count);
    attr[1] = instructions.as_ptr() as u64;
    attr[2] = license.as_ptr() as u64;
    owned(bpf(PROG_LOAD, &mut attr)?)
}

/// Attaches a program beside those that are there.
///
/// # Errors
/// errno of bpf(2).
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(raw(cgroup), raw(program));
    attr[1] = pair(ATTACH_CGROUP_DEVICE, F_ALLOW_MULTI);
    bpf(PROG_ATTACH, &mut attr).map(|_| ())
}

/// Ids of the programs on a cgroup.
///
/// # Errors
/// errno of bpf(2).
pub fn query_device_programs(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut attr: Attr = [0; 16];
    attr[0] = pair(raw(cgroup), ATTACH_CGROUP_DEVICE);
    attr[2] = ids.as_mut_ptr() as u64;
    attr[3] = pair(u32::try_from(ids.len()).unwrap_or(0), 0);
    bpf(PROG_QUERY, &mut attr)?;
    let count = if cfg!(target_endian = "little") { attr[3] & 0xffff_ffff } else { attr[3] >> 32 };
    Ok(ids[..usize::try_from(count).unwrap_or(0).min(MAX_PROGRAMS)].to_vec())
}

/// Takes a program off a cgroup.
///
/// # Errors
/// errno of bpf(2).
pub fn detach_device_program(cgroup: BorrowedFd<'_>, id: u32) -> Result<(), Errno> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(id, 0);
    let program = owned(bpf(PROG_GET_FD_BY_ID, &mut attr)?)?;
    let mut attr: Attr = [0; 16];
    let program = std::os::fd::AsFd::as_fd(&program);
    attr[0] = pair(raw(cgroup), raw(program));
    attr[1] = pair(ATTACH_CGROUP_DEVICE, 0);
    bpf(PROG_DETACH, &mut attr).map(|_| ())
}
