//! How the C library's allocator keeps memory.

/// Bounds what the allocator keeps for itself: few arenas, and big blocks mapped one by one (mallopt(3)). To be called
/// before there are threads.
pub fn limit_arenas(arenas: i32) {
    // SAFETY: mallopt takes numbers; M_ARENA_MAX and M_TRIM_THRESHOLD are documented parameters.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * 1024);
    }
}

/// Gives memory back to the kernel that is not needed while nothing happens: free heap memory, and the pages of the program
/// itself, which come back from the page cache when they are touched again (well below a millisecond for all of them).
pub fn rest() {
    drop_stack();
    drop_program();
    crate::process::trim_heap();
}

/// Gives back what deeper calls have left of the main thread's stack. On other threads it does nothing.
fn drop_stack() {
    let here = 0_u8;
    // The address of something in this frame: all that is in use lies at it or above.
    let here = std::hint::black_box(&raw const here) as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Some(range) = maps.lines().find(|line| line.ends_with("[stack]")).and_then(|line| line.split(' ').next())
    else {
        return;
    };
    let bound = |text: &str| usize::from_str_radix(text, 16).ok();
    let Some((low, high)) = range.split_once('-').and_then(|(low, high)| Some((bound(low)?, bound(high)?))) else {
        return;
    };
    // Far below this frame, because it calls functions itself, and signal handlers run there.
    let page = rustix::param::page_size();
    let end = here.saturating_sub(MARGIN) / page * page;
    if low < end && (low..high).contains(&here) {
        // SAFETY: the range is part of this thread's own stack, below every frame that is in use; what was there is garbage.
        // It may fail, and nothing is lost then.
        unsafe { libc::madvise(low as *mut libc::c_void, end - low, libc::MADV_DONTNEED) };
    }
}

/// Left alone below the frame that gives stack back, in bytes.
const MARGIN: usize = 16 * 1024;

/// Unmaps the pages of the parts of the program that nobody writes to.
fn drop_program() {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: libc::size_t, _: *mut libc::c_void) -> libc::c_int {
        let page = rustix::param::page_size() as u64;
        // SAFETY: the C library passes a valid description, whose table has `dlpi_phnum` entries.
        let (base, headers) = unsafe {
            let info = &*info;
            (info.dlpi_addr, std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)))
        };
        for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
            // Whole pages only: the first and the last may be shared with a part that is written to.
            let start = (base + header.p_vaddr).next_multiple_of(page);
            let end = (base + header.p_vaddr + header.p_memsz) / page * page;
            if let Ok(length) = usize::try_from(end.saturating_sub(start))
                && length > 0
            {
                // SAFETY: a private mapping of a file that was never written to reads the same when it is mapped anew.
                // It may fail, and nothing is lost then.
                unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
            }
        }
        0
    }
    // SAFETY: the callback matches the signature that dl_iterate_phdr(3) asks for and keeps nothing.
    unsafe { libc::dl_iterate_phdr(Some(each), std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    /// Resident kilobytes of files, of this process.
    fn resident_files() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap()
    }

    #[test]
    fn resting_gives_back_and_breaks_nothing() {
        static TABLE: [u8; 1 << 20] = [7; 1 << 20];
        let sum = || TABLE.iter().step_by(4096).map(|b| u64::from(*std::hint::black_box(b))).sum::<u64>();
        let before = sum();
        let full = resident_files();
        super::rest();
        let rested = resident_files();
        assert!(rested + 800 < full, "{full} KiB before, {rested} KiB after");
        assert_eq!(sum(), before);
    }
}
