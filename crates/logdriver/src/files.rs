//! Which files a log consists of.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::dirlock::parent;

/// More rotated files than this are not looked at.
const FILES_MAX: usize = 4096;

/// A rotated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// 1 is the youngest.
    pub(crate) number: u32,
    pub(crate) compressed: bool,
    pub(crate) path: PathBuf,
}

/// What a file is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self { device: meta.dev(), inode: meta.ino() })
    }

    /// Of the file that has this name now; `None` if there is none.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(Self { device: meta.dev(), inode: meta.ino() })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Opens a file for reading if it is there; links are not followed.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    match File::options().read(true).custom_flags(nofollow).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The rotated files of the log `path`, oldest first. Where a number exists plain and compressed, the plain one counts
/// (the compressed one is being replaced).
pub(crate) fn rotated(path: &Path) -> io::Result<Vec<Rotated>> {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(parent(path)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(rest) = file_name.to_str().and_then(|n| n.strip_prefix(name)).and_then(|r| r.strip_prefix('.')) else {
            continue;
        };
        let (digits, compressed) = rest.strip_suffix(".gz").map_or((rest, false), |digits| (digits, true));
        if let Ok(number @ 1..) = digits.parse::<u32>()
            && number.to_string() == digits
        {
            found.push(Rotated { number, compressed, path: entry.path() });
        }
    }
    found.sort_by_key(|f| (std::cmp::Reverse(f.number), f.compressed));
    found.dedup_by_key(|f| f.number);
    let surplus = found.len().saturating_sub(FILES_MAX);
    Ok(found.split_off(surplus))
}
