//! When the kernel writes files to disk.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Begins to write a range of a file to disk, and does not wait for it: a later fsync(2) or syncfs(2) has less to do. Nothing
/// is promised, so nothing can fail.
pub fn begin(fd: BorrowedFd<'_>, offset: u64, length: u64) {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    // SAFETY: sync_file_range takes a descriptor that is open as long as the borrow, and numbers.
    unsafe { libc::sync_file_range(fd.as_raw_fd(), signed(offset), signed(length), libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_written_early_is_what_was_written() {
        let path = std::env::temp_dir().join(format!("gantry-writeback-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        super::begin(file.as_fd(), 0, 100_000);
        super::begin(file.as_fd(), 0, u64::MAX);
        let read = std::fs::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), [7; 100_000]);
    }
}
