use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, fstat, statat};
use rustix::io::{Errno, Result};

/// Deeper directories are not counted (a container can make any depth; descriptors and stack are not for it).
const MAX_DEPTH: usize = 256;

/// Bytes on disk and objects of a tree that may change meanwhile, as `du` counts: blocks, each object once.
pub(crate) fn tree(root: OwnedFd) -> Result<(u64, u64)> {
    let mut sum = (blocks(fstat(&root)?.st_blocks), 1);
    add(root, 0, &mut HashSet::new(), &mut sum)?;
    Ok(sum)
}

fn add(dir: OwnedFd, depth: usize, seen: &mut HashSet<u64>, sum: &mut (u64, u64)) -> Result<()> {
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(e) => return Err(e),
        };
        if stat.st_nlink < 2 || FileType::from_raw_mode(stat.st_mode) == FileType::Directory || seen.insert(stat.st_ino)
        {
            sum.0 += blocks(stat.st_blocks);
            sum.1 += 1;
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth < MAX_DEPTH {
            match archive::open_dir(dir.as_fd(), name) {
                Ok(sub) => add(sub, depth + 1, seen, sum)?,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

fn blocks(n: i64) -> u64 {
    // st_blocks counts units of 512 bytes, whatever the file system's own (stat(3type)).
    u64::try_from(n).unwrap_or(0) * 512
}
