use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memchr::{memchr, memrchr};

use crate::dirlock::{DirLock, parent};
use crate::encode::{escape_log, split_point};
use crate::timestamp::Clock;
use crate::{JsonFileConfig, LogError, Stream};

/// The longest text of one record, in bytes before escaping; longer lines are split (Docker's copier buffer).
pub const PARTIAL_MAX: usize = 16 * 1024;

/// What lies behind the last newline of a torn file is looked for in at most this much of its end.
const TORN_MAX: u64 = 1 << 20;

/// What a [`Writer::write`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Records appended.
    pub records: u64,
    /// The file was rotated at least once: time to run `compress_rotated` somewhere (a forked child, the daemon).
    pub rotated: bool,
}

/// Appends a container's output to its log. One per container; not shared.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
    max_file: u32,
    /// What stands between the text and the time of a record, by stream.
    middle: [Vec<u8>; 2],
    open_line: [OpenLine; 2],
    clock: Clock,
    /// Records not yet in the file.
    batch: Vec<u8>,
    batch_records: u64,
}

/// The begun line of one stream.
#[derive(Debug, Default)]
struct OpenLine {
    text: Vec<u8>,
    /// Parts of the line are logged already, with this time.
    parts_since: Option<i64>,
}

impl Writer {
    /// Opens (or creates, mode 0640) the live file for appending. A torn last record (the machine died) is cut off.
    pub fn open(config: &JsonFileConfig) -> Result<Self, LogError> {
        let path = config.path.clone();
        let open_error = |source| LogError::Open { path: path.clone(), source };
        let mut file = open_live(&path, false).map_err(open_error)?;
        let size = mend(&mut file).map_err(open_error)?;
        let middle = |stream: Stream| {
            let attrs = config.attrs.as_ref().map_or(String::new(), |a| format!(",\"attrs\":{a}"));
            format!("\",\"stream\":\"{}\"{attrs},\"time\":\"", stream.name()).into_bytes()
        };
        Ok(Self {
            file,
            size,
            max_size: config.max_size.unwrap_or(u64::MAX),
            max_file: config.max_file.max(1),
            middle: [middle(Stream::Stdout), middle(Stream::Stderr)],
            open_line: Default::default(),
            clock: Clock::default(),
            batch: Vec::new(),
            batch_records: 0,
            path,
        })
    }

    /// Logs `chunk`, any number of bytes that came from `stream` at `time_ns` (nanoseconds since 1970 UTC), with
    /// one `write(2)` unless the file is rotated meanwhile. A line without its end is kept (≤ 16 KiB) until its end comes.
    /// The records of one call are a nanosecond apart, so that their times tell them apart.
    ///
    /// # Errors
    /// [`LogError::Write`] (the disk is full, …): these records are lost, the file ends with a whole one, later calls may work again.
    /// [`LogError::Rotate`]: everything was written, but to the old file; the next call tries to rotate again.
    pub fn write(&mut self, stream: Stream, time_ns: i64, chunk: &[u8]) -> Result<Written, LogError> {
        let mut pass = Pass { time_ns, ..Pass::default() };
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            self.end_line(stream, &rest[..end], &mut pass);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            let mut line = std::mem::take(&mut self.open_line[stream as usize]);
            line.text.extend_from_slice(rest);
            self.log_parts(stream, &mut line, &mut pass);
            self.open_line[stream as usize] = line;
        }
        self.end_pass(pass)
    }

    /// The stream has ended: logs the line that had no end.
    pub fn finish(&mut self, stream: Stream, time_ns: i64) -> Result<Written, LogError> {
        let mut pass = Pass { time_ns, ..Pass::default() };
        let line = std::mem::take(&mut self.open_line[stream as usize]);
        if !line.text.is_empty() {
            let time = line.parts_since.unwrap_or(time_ns);
            self.record(stream, &line.text, false, time, &mut pass);
        }
        self.end_pass(pass)
    }

    /// Logs the line that `end` is the end of.
    fn end_line(&mut self, stream: Stream, end: &[u8], pass: &mut Pass) {
        let slot = &mut self.open_line[stream as usize];
        if slot.text.is_empty() && slot.parts_since.is_none() && end.len() < PARTIAL_MAX {
            let time = pass.tick();
            self.record(stream, end, true, time, pass);
            return;
        }
        let mut line = std::mem::take(slot);
        line.text.extend_from_slice(end);
        self.log_parts(stream, &mut line, pass);
        let time = line.parts_since.unwrap_or_else(|| pass.tick());
        self.record(stream, &line.text, true, time, pass);
        line.text.clear();
        line.parts_since = None;
        self.open_line[stream as usize] = line;
    }

    /// Logs full parts of a line until less than one is left. All parts of a line bear the time of the first.
    fn log_parts(&mut self, stream: Stream, line: &mut OpenLine, pass: &mut Pass) {
        let mut done = 0;
        while line.text.len() - done >= PARTIAL_MAX {
            let len = split_point(&line.text[done..done + PARTIAL_MAX]);
            let time = *line.parts_since.get_or_insert_with(|| pass.tick());
            self.record(stream, &line.text[done..done + len], false, time, pass);
            done += len;
        }
        line.text.drain(..done);
    }

    fn record(&mut self, stream: Stream, text: &[u8], ended: bool, time_ns: i64, pass: &mut Pass) {
        if self.size.saturating_add(self.batch.len() as u64) >= self.max_size {
            self.flush(pass);
            self.rotate_if_full(pass);
        }
        self.batch.extend_from_slice(b"{\"log\":\"");
        escape_log(&mut self.batch, text);
        if ended {
            self.batch.extend_from_slice(b"\\n");
        }
        self.batch.extend_from_slice(&self.middle[stream as usize]);
        self.clock.push(&mut self.batch, time_ns);
        self.batch.extend_from_slice(b"\"}\n");
        self.batch_records += 1;
    }

    /// Writes the batch. What cannot be written is dropped; a record that got only half into the file is taken out again.
    fn flush(&mut self, pass: &mut Pass) {
        if self.batch.is_empty() {
            return;
        }
        let mut done = 0;
        let mut failure = None;
        while done < self.batch.len() {
            match self.file.write(&self.batch[done..]) {
                Ok(0) => failure = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => failure = Some(e),
            }
            if failure.is_some() {
                break;
            }
        }
        let mut written = self.batch_records;
        if let Some(source) = failure {
            let whole = memrchr(b'\n', &self.batch[..done]).map_or(0, |i| i + 1);
            if whole < done {
                // If even that fails, the reader skips the torn line.
                let _ = self.file.set_len(self.size + whole as u64);
            }
            written = memchr::memchr_iter(b'\n', &self.batch[..whole]).count() as u64;
            done = whole;
            pass.lost += self.batch_records - written;
            pass.write_error = Some(source);
        }
        self.size += done as u64;
        pass.records += written;
        self.batch.clear();
        self.batch_records = 0;
    }

    fn rotate_if_full(&mut self, pass: &mut Pass) {
        // Somebody may have truncated the file.
        self.size = self.file.metadata().map_or(self.size, |m| m.len());
        if self.size < self.max_size || pass.rotate_error.is_some() {
            return;
        }
        match rotate(&self.path, self.max_file) {
            Ok(file) => {
                self.file = file;
                self.size = 0;
                pass.rotated = true;
            }
            Err(e) => pass.rotate_error = Some(e),
        }
    }

    fn end_pass(&mut self, mut pass: Pass) -> Result<Written, LogError> {
        self.flush(&mut pass);
        // A burst must not stay in memory for the life of the container.
        if self.batch.capacity() > 4 * PARTIAL_MAX {
            self.batch.shrink_to(PARTIAL_MAX);
        }
        if let Some(source) = pass.write_error {
            return Err(LogError::Write { lost: pass.lost, source });
        }
        if let Some(source) = pass.rotate_error {
            return Err(LogError::Rotate { source });
        }
        Ok(Written { records: pass.records, rotated: pass.rotated })
    }
}

/// What happens during one call.
#[derive(Debug, Default)]
struct Pass {
    time_ns: i64,
    records: u64,
    lost: u64,
    rotated: bool,
    write_error: Option<io::Error>,
    rotate_error: Option<io::Error>,
}

impl Pass {
    fn tick(&mut self) -> i64 {
        let now = self.time_ns;
        self.time_ns = now.saturating_add(1);
        now
    }
}

fn open_live(path: &Path, new: bool) -> io::Result<File> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .create_new(new)
        .mode(0o640)
        .custom_flags(nofollow)
        .open(path)
}

/// Cuts what follows the last newline; gives the file's size.
fn mend(file: &mut File) -> io::Result<u64> {
    let size = file.seek(SeekFrom::End(0))?;
    let from = size.saturating_sub(TORN_MAX);
    let mut tail = Vec::new();
    if size > 0 {
        file.seek(SeekFrom::Start(size - 1))?;
        file.read_to_end(&mut tail)?;
    }
    if tail.last().is_none_or(|b| *b == b'\n') {
        return Ok(size);
    }
    tail.clear();
    file.seek(SeekFrom::Start(from))?;
    file.take(size - from).read_to_end(&mut tail)?;
    let end = match memrchr(b'\n', &tail) {
        Some(i) => from + i as u64 + 1,
        None if from == 0 => 0,
        // Not a log of ours: leave it, begin a line.
        None => {
            file.write_all(b"\n")?;
            return Ok(size + 1);
        }
    };
    file.set_len(end)?;
    Ok(end)
}

/// `<path>.<n><extension>`.
pub(crate) fn numbered(path: &Path, n: u32, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{n}{extension}"));
    PathBuf::from(name)
}

/// Moves the live file out of the way and gives a new one. The oldest file goes.
fn rotate(path: &Path, max_file: u32) -> io::Result<File> {
    let _lock = DirLock::exclusive(parent(path))?;
    if max_file < 2 {
        forgive_absence(std::fs::remove_file(path))?;
        return open_live(path, true);
    }
    // A gap in the numbers takes the shift up; without one the oldest file goes.
    let taken = |n: u32| ["", ".gz"].iter().any(|x| std::fs::symlink_metadata(numbered(path, n, x)).is_ok());
    let top = (1..max_file - 1).find(|n| !taken(*n)).unwrap_or(max_file - 1);
    for extension in ["", ".gz"] {
        forgive_absence(std::fs::remove_file(numbered(path, top, extension)))?;
        for n in (1..top).rev() {
            forgive_absence(std::fs::rename(numbered(path, n, extension), numbered(path, n + 1, extension)))?;
        }
    }
    forgive_absence(std::fs::rename(path, numbered(path, 1, "")))?;
    open_live(path, true)
}

fn forgive_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
