//! Compression of rotated files, beside a running writer.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use memchr::memrchr;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::LogError;
use crate::dirlock::{DirLock, parent};
use crate::files::{self, Identity};
use crate::reader::record_time;
use crate::timestamp::format_rfc3339_nano;
use crate::writer::numbered;

/// What the gzip header's extra field says (JSON, as Docker writes it; `source` is gantry's).
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Extra {
    /// The time of the last record.
    #[serde(rename = "lastTime", default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_time: Option<String>,
    /// The file that was compressed: a reader that had it open finds its place again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Origin>,
}

/// What tells a plain log file from all others, those included that had the same inode before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) inode: u64,
    size: u64,
    pub(crate) born_ns: u64,
}

impl Origin {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let born = meta.created().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        Ok(Self { inode: meta.ino(), size: meta.len(), born_ns: u64::try_from(born.as_nanos()).unwrap_or(0) })
    }
}

/// The last record is looked for in this much of a file's end.
const LAST_MAX: u64 = 256 * 1024;

/// Compresses the rotated files of the log `path` that are not yet (`<path>.N` → `<path>.N.gz`), safely beside a
/// running writer and readers. Returns how many. Meant for a background thread or a forked child; if another one is at
/// it already, there is nothing to do.
pub fn compress_rotated(path: &Path) -> Result<u32, LogError> {
    let mut done = 0;
    // Youngest last: a file may grow older while its elders are compressed.
    let candidates = match files::rotated(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(|source| LogError::Compress { path: path.to_owned(), source })?,
    };
    for file in candidates.iter().filter(|f| !f.compressed) {
        match compress_one(path, &file.path) {
            Ok(true) => done += 1,
            Ok(false) => {}
            // The log is gone, with its container.
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LogError::Compress { path: file.path.clone(), source }),
        }
    }
    Ok(done)
}

fn compress_one(log: &Path, from: &Path) -> io::Result<bool> {
    let Some(input) = files::open(from)? else { return Ok(false) };
    let identity = Identity::of(&input)?;
    let Some((temporary, output)) = claim_temporary(log)? else { return Ok(false) };
    let result = deflate(&input, &output).and_then(|()| replace(log, identity, &temporary));
    if !matches!(result, Ok(true)) {
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// The file that a compressor writes to; its lock makes the compressor the only one. `None`: there is another.
fn claim_temporary(log: &Path) -> io::Result<Option<(PathBuf, File)>> {
    let mut name = OsString::from(log);
    name.push(".gz.tmp");
    let path = PathBuf::from(name);
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file =
        File::options().write(true).create(true).truncate(false).mode(0o640).custom_flags(nofollow).open(&path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(e) => return Err(e.into()),
    }
    // The previous holder may have given the file its final name meanwhile.
    if Identity::at(&path)? != Some(Identity::of(&file)?) {
        return Ok(None);
    }
    file.set_len(0)?;
    Ok(Some((path, file)))
}

fn deflate(input: &File, output: &File) -> io::Result<()> {
    let extra = Extra { last_time: last_time(input)?.map(format_rfc3339_nano), source: Some(Origin::of(input)?) };
    let mut encoder = GzBuilder::new().extra(serde_json::to_vec(&extra)?).write(output, Compression::default());
    io::copy(&mut BufReader::with_capacity(64 * 1024, input), &mut encoder)?;
    encoder.finish()?.flush()
}

/// Puts the compressed file in the place that the plain one has by now, if it still has one.
fn replace(log: &Path, identity: Identity, temporary: &Path) -> io::Result<bool> {
    let _lock = DirLock::exclusive(parent(log))?;
    for file in files::rotated(log)?.iter().filter(|f| !f.compressed) {
        if Identity::at(&file.path)? == Some(identity) {
            std::fs::rename(temporary, numbered(log, file.number, ".gz"))?;
            std::fs::remove_file(&file.path)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// The time of the last record of a plain file.
pub(crate) fn last_time(file: &File) -> io::Result<Option<i64>> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(LAST_MAX);
    let mut tail = vec![0; usize::try_from(size - from).unwrap_or(0)];
    file.read_exact_at(&mut tail, from)?;
    let Some(end) = memrchr(b'\n', &tail) else { return Ok(None) };
    let start = memrchr(b'\n', &tail[..end]).map_or(0, |i| i + 1);
    Ok(record_time(&tail[start..end]))
}
