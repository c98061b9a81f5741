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
