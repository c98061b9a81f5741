//! How much a volume holds.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, statat};
use rustix::io::{Errno, Result};

/// Bytes of all files of a tree, hard links counted once, directories not counted (as Docker counts). Nothing is followed
/// out of it, and nothing that is mounted in it is entered.
///
/// # Errors
/// A directory cannot be read; what goes away meanwhile is no error.
pub fn size_of(dir: &Path) -> Result<u64> {
    let top = archive::open_dir(CWD, dir)?;
    let device = rustix::fs::fstat(&top)?.st_dev;
    let (mut total, mut seen) = (0_u64, HashSet::new());
    // Handles of directories on the way down only: a queue of names would be as long as a tree is wide.
    add(top, device, &mut seen, &mut total, 0)?;
    Ok(total)
}

/// Directories below this depth are not counted: stack and descriptors are finite.
const MAX_DEPTH: usize = 256;

fn add(dir: OwnedFd, device: u64, seen: &mut HashSet<u64>, total: &mut u64, depth: usize) -> Result<()> {
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
        if stat.st_dev != device {
            continue;
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            match archive::open_dir(&dir, name) {
                Ok(inner) if depth < MAX_DEPTH => add(inner, device, seen, total, depth + 1)?,
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(e),
            }
        } else if stat.st_nlink == 1 || seen.insert(stat.st_ino) {
            *total = total.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_count_once_and_lead_nowhere() {
        let tmp = tempfile::tempdir().expect("directory");
        let at = |name: &str| tmp.path().join(name);
        std::fs::create_dir(at("v")).expect("directory");
        std::fs::write(at("outside"), [0; 5000]).expect("file");
        std::fs::write(at("v/a"), [0; 100]).expect("file");
        std::fs::hard_link(at("v/a"), at("v/b")).expect("link");
        std::os::unix::fs::symlink("../outside", at("v/l")).expect("link");
        let link = u64::try_from("../outside".len()).expect("small");
        assert_eq!(size_of(&at("v")).expect("counts"), 100 + link);
        assert_eq!(size_of(&at("none")), Err(Errno::NOENT));
    }
}
